"""Plugins of LUNA's services, as they are: `--compat luna`, with `--file plugin.py`, `--module name`, or
the names in `LUNA_HANDLERS_ACTIVE_PLUGINS` looked for in `--path FOLDER`.

All classes of a module live in one process and on one loop. `sending_event` is an event that the hub has
taken in, `monitoring_event` a request that it has answered; any other `eventName` is a topic of the hub,
such as `incident.opened`, and its plugin is called with `events` and `logger`.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import logging
import os
import sys
import types
from collections import OrderedDict
from typing import Any, Awaitable, Callable, Dict, List, Optional, Tuple

from ... import Event as HubEvent
from ... import Misconfigured, Plugin
from ...runner import Arguments, load_file
from ...serve import Overdue, within
from ...wire import last_line
from ..calls import call
from ..standins import Contents, StandIns
from . import base, events
from .application import LunaApplication, logger
from .base import BaseBackgroundPlugin, BaseEventPlugin

PREFIXES = (
    "crutches_on_wheels",
    "crutches_on_wheels.cow",
    "cow",
    "luna_plugins.base",
    *(
        f"luna_{service}.crutches_on_wheels.cow"
        for service in ("handlers", "faces", "events", "sender", "api", "python_matcher", "remote_sdk", "licenses")
    ),
)
"""Under what the modules were found over the years."""
FOLDER = "plugins"
"""The package that the folder of plugins is."""
TOPICS = {"sending_event": ["event.accepted"], "monitoring_event": ["request.served"]}
"""What the hub calls LUNA's events."""
START_SECONDS = 20.0
"""How long `initialize` may be tried before the start counts as failed, or goes on in the background."""
FIRST_REST, LONGEST_REST = 0.1, 60.0
"""Seconds between tries of `initialize`: at first, and at most."""
HANDLE_SECONDS = 25.0
"""How long one call of `handleEvent` may take; the hub waits 30."""
BEGIN_SECONDS = 5.0
"""How long `start` of a background plugin may take to return before it is left to go on by itself."""
CLOSE_SECONDS = 2.0
"""How long one plugin's `close` may take."""
MAX_DONE = 64
"""Batches that are remembered for each plugin, so that what one has handled does not come again when another fails."""


class LogWithRequest(logging.LoggerAdapter):  # type: ignore[type-arg]
    """A log whose lines begin with the id of a request."""

    def process(self, msg: Any, kwargs: Any) -> Tuple[str, Any]:
        """One line; plugins also log numbers."""
        return f"{self.extra['request']} {msg}", kwargs  # type: ignore[index]


def modules() -> Dict[str, Contents]:
    """Names of modules, and what is in each."""
    made: Dict[str, Contents] = {
        "classes.event": {"Event": events.Event},
        "classes.schemas.event_raw": {"RawEvent": events.RawEvent},
    }
    log = {"Logger": base.Logger, "logger": logger}
    for prefix in PREFIXES:
        made[f"{prefix}.plugins.plugins_meta.base_plugins"] = f"{__package__}.base"
        made[f"{prefix}.plugins_meta.base_plugins"] = f"{__package__}.base"
        made[f"{prefix}.monitoring.points"] = f"{__package__}.events"
        made[f"{prefix}.utils.log"] = log
        made[f"{prefix}.web.application"] = {"LunaApplication": LunaApplication}
    return made


def active_names() -> List[str]:
    """The names in `LUNA_…_ACTIVE_PLUGINS`: a list of JSON, or bare words."""
    found: List[str] = []
    for variable, text in sorted(os.environ.items()):
        if not (variable.startswith("LUNA_") and variable.endswith("_ACTIVE_PLUGINS")):
            continue
        try:
            names = json.loads(text)
        except ValueError:
            names = text.strip().strip("[]").replace(",", " ").split()
        for name in names if isinstance(names, list) else [names]:
            word = str(name).strip("'\" ")
            if word and word not in found:
                found.append(word[:-3] if word.endswith(".py") else word)
    return found


def load(arguments: Arguments) -> Plugin:
    """The plugins that were asked for, as one of ours."""
    StandIns("LUNA", modules(), closed=("crutches_on_wheels", "cow", "luna_plugins")).install()
    logger.setLevel(logging.DEBUG)
    if arguments.file:
        if not os.path.isfile(arguments.file):
            raise Misconfigured(f"{arguments.file} is not a Python file")
        folder, file = os.path.split(os.path.abspath(arguments.file))
        sys.path.insert(0, folder)
        name = os.path.splitext(file)[0]
        package = _folder(folder)
        # by its own name: it need not be allowed to look around in its folder
        module = load_file(os.path.join(folder, file), f"{FOLDER}.{name}")
        setattr(package, name, module)
        found = [module]
    else:
        names = [arguments.module] if arguments.module else active_names()
        if not names:
            raise Misconfigured("name a plugin: --file, --module or LUNA_HANDLERS_ACTIVE_PLUGINS")
        name = names[0]
        found = [_import(each) for each in names]
    classes = [cls for module in found for cls in activated(module)]
    if not classes:
        raise Misconfigured(f"{name} has no class that realises one of LUNA's plugins")
    return Luna(name, list(OrderedDict.fromkeys(classes))).plugin


def _import(name: str) -> Any:
    """A module by its name; one that lies in a folder of plugins, as part of it."""
    for folder in sys.path:
        at = os.path.join(folder or ".", name)
        if os.path.isfile(f"{at}.py") or os.path.isfile(os.path.join(at, "__init__.py")):
            return _from_folder(folder or ".", name)
    return importlib.import_module(name)


def _from_folder(folder: str, name: str) -> Any:
    """Imports a module of a folder of plugins as `plugins.NAME`, as LUNA does: it may import its
    neighbours relatively."""
    _folder(folder)
    return importlib.import_module(f"{FOLDER}.{name}")


def _folder(folder: str) -> Any:
    """The package `plugins`, with this folder in it."""
    package = sys.modules.get(FOLDER)
    if package is None or not hasattr(package, "__path__"):
        package = sys.modules[FOLDER] = types.ModuleType(FOLDER)
        package.__path__ = []
    if folder not in package.__path__:
        package.__path__.append(folder)
    return package


def activated(module: Any) -> List[type]:
    """The classes of a module that are plugins, once each, those included that it only imports."""
    found: "OrderedDict[Any, type]" = OrderedDict()
    for cls in vars(module).values():
        if not isinstance(cls, type) or not issubclass(cls, (BaseEventPlugin, BaseBackgroundPlugin)):
            continue
        if inspect.isabstract(cls) or cls.__module__.startswith(__package__):
            continue
        file = getattr(sys.modules.get(cls.__module__), "__file__", cls.__module__)
        found.setdefault((file, cls.__qualname__), cls)
    return list(found.values())


class Luna:
    """The plugins of one module, from their making to their end."""

    def __init__(self, name: str, classes: List[type]) -> None:
        self.name = name
        self.classes = classes
        self.plugin = Plugin()
        self.app: Optional[LunaApplication] = None
        self.made: List[Any] = []
        self.initialized: List[Any] = []
        self.wrong = "it has not begun"
        self.up = False
        self._raising: Optional[asyncio.Task[None]] = None
        self._done: Dict[Tuple[int, str], None] = OrderedDict()
        self.plugin.on_configure(self.configure)
        self.plugin.on_start(self.start)
        self.plugin.on_stop(self.close)
        for event in sorted({cls.eventName for cls in classes if issubclass(cls, BaseEventPlugin)}):
            if not event:
                raise Misconfigured(f"{name} has a plugin without an eventName")
            topics = TOPICS.get(event, [event])
            if "." not in topics[0]:
                known = ", ".join(sorted(TOPICS))
                raise Misconfigured(f"{name}: there is no event {event!r}: known are {known} and the hub's topics")
            self.plugin.subscription(event, topics)(self._listener(event))

    # its beginning

    async def configure(self, settings: Dict[str, Any]) -> None:
        """What the plugins see as `app.ctx.settings`."""
        if self.app is not None:
            self.app.ctx.settings = settings

    async def start(self) -> None:
        """Makes and initialises all; what does not come up is tried for a while."""
        self.app = LunaApplication(self.plugin, self.name)
        self.made = [cls(self.app) for cls in self.classes]
        self._raising = asyncio.get_running_loop().create_task(self._raise())
        await asyncio.wait({self._raising}, timeout=START_SECONDS)
        if not self._raising.done() and any(isinstance(one, BaseBackgroundPlugin) for one in self.made):
            # its routes are not known yet, and they are said with the start
            await self.close()
            raise RuntimeError(self.wrong)
        if self._raising.done():
            self._raising.result()

    async def _raise(self) -> None:
        rest = FIRST_REST
        for one in self.made:
            while True:
                try:
                    await _awaited(one.initialize)
                    self.initialized.append(one)
                    break
                except Exception as error:
                    self.wrong = f"initialize of {type(one).__name__} failed: {last_line(error)}"
                    logger.exception("%s", self.wrong)
                    self.plugin.host.status("degraded", self.wrong)
                    await asyncio.sleep(rest)
                    rest = min(rest * 2, LONGEST_REST)
        for one in self.made:
            await self._begin(one)
        self.up = True
        self.plugin.host.status("ok")

    async def _begin(self, one: Any) -> None:
        assert self.app is not None
        if not isinstance(one, BaseBackgroundPlugin):
            return
        task = asyncio.get_running_loop().create_task(_awaited(one.start))
        await asyncio.wait({task}, timeout=BEGIN_SECONDS)
        if task.done():
            task.result()
        else:
            logger.warning("start of %s has not returned: it goes on by itself", type(one).__name__)
            self.app.add_task(task)

    # its work

    def _listener(self, event: str) -> Callable[[List[HubEvent]], Awaitable[None]]:
        async def listen(told: List[HubEvent]) -> None:
            if not self.up:
                raise RuntimeError(self.wrong)
            listeners = [one for one in self.made if getattr(one, "eventName", None) == event]
            works = [self._handle(one, event, told) for one in listeners]
            for failed in await asyncio.gather(*works):
                if failed is not None:
                    raise failed

        return listen

    async def _handle(self, one: Any, event: str, told: List[HubEvent]) -> Optional[Exception]:
        """Hands a batch to one plugin. What may pass by itself is returned, so that the batch comes again."""
        for named in calls(event, told):
            key = (id(one), named.pop("id"))
            if key in self._done:
                continue
            try:
                await within(HANDLE_SECONDS, self._call(one, named))
            except Overdue:
                why = f"handleEvent of {type(one).__name__} took more than {HANDLE_SECONDS:g} s"
                logger.error("%s", why)
                return TimeoutError(why)
            except Exception as error:
                named["logger"].exception(f"handleEvent of {type(one).__name__} failed")
                if _passes(error):
                    return error
            self._done[key] = None
            while len(self._done) > MAX_DONE * len(self.made):
                del self._done[next(iter(self._done))]
        return None

    async def _call(self, one: Any, named: Dict[str, Any]) -> None:
        parameters = inspect.signature(one.handleEvent).parameters
        if any(each.kind is each.VAR_KEYWORD for each in parameters.values()) or all(
            name in parameters for name in named
        ):
            returned = one.handleEvent(**named)
        else:
            returned = call(one.handleEvent, *named.values())
        if inspect.isawaitable(returned):
            await returned

    # its end

    async def close(self) -> None:
        """Closes all in reverse order, those that never came up included."""
        self.up = False
        self.wrong = "it is stopping"
        if self._raising is not None:
            self._raising.cancel()
            await asyncio.wait({self._raising})
        for one in reversed(self.made):
            try:
                await within(CLOSE_SECONDS, _awaited(one.close))
            except Overdue:
                logger.error("close of %s took more than %g s", type(one).__name__, CLOSE_SECONDS)
            except Exception:
                logger.exception("close of %s failed", type(one).__name__)
        self.made = []
        if self.app is not None:
            await self.app.end()


async def _awaited(function: Callable[[], Any]) -> None:
    """Calls it, async or not."""
    returned = function()
    if inspect.isawaitable(returned):
        await returned


def _passes(error: Exception) -> bool:
    """Whether it may go well next time: trouble of the network and of whoever is behind it."""
    kinds = (OSError, TimeoutError, asyncio.TimeoutError)
    return isinstance(error, kinds) or type(error).__module__.partition(".")[0] == "aiohttp"


def calls(event: str, told: List[HubEvent]) -> List[Dict[str, Any]]:
    """The arguments of `handleEvent` for a batch: one call for each source of events that came in, and
    one for all else."""
    if not told:
        return []
    if event != "sending_event":
        request = events.request_id(told[0].id)
        log = LogWithRequest(logger, {"request": request})
        if event == "monitoring_event":
            points = [point for each in told for point in events.points_of(each)]
            return [{"id": _batch(told), "points": points, "logger": log}]
        return [{"id": _batch(told), "events": told, "logger": log}]
    by_source: "OrderedDict[str, List[HubEvent]]" = OrderedDict()
    for each in told:
        by_source.setdefault(events.handler_of(each), []).append(each)
    made = []
    for handler, those in by_source.items():
        whole = [events.event_of(each) for each in those]
        request = events.request_id(_batch(those))
        made.append(
            {
                "id": _batch(those),
                "events": whole,
                "handlerId": handler,
                "accountId": events.ACCOUNT,
                "requestId": request,
                "createEventTime": whole[0].asDict()["event_create_time"],
                "endEventTime": whole[-1].asDict()["event_end_time"],
                "logger": LogWithRequest(logger, {"request": request}),
            }
        )
    return made


def _batch(told: List[HubEvent]) -> str:
    """What a batch is known by when it comes again."""
    return ",".join(each.id for each in told)
