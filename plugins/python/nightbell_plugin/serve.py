"""The methods that the host asks of a plugin, answered by a `Plugin`."""

from __future__ import annotations

import asyncio
import gc
import inspect
from typing import Any, Awaitable, Callable, Dict, List, Optional, Tuple, TypeVar

from . import __version__
from .host import current_delivery
from .outcomes import Check, Invalid, Misconfigured, Outcome, Retry, Ticket, outcome_of, response_of
from .plugin import Plugin, Provided
from .records import Delivery, Event, OfProject, Request, TicketRequest
from .threads import Pool
from .wire import FAILED, MAX_LINE, NOT_FOUND, NOT_NOW, WRONG_PARAMETERS, RpcError, last_line, logger

T = TypeVar("T")

CONTRACT = 1
"""The number of the contract that this is written for."""
DEFAULT_DEADLINE_MS = 10_000
"""For a delivery that names no time."""
LONGEST_SECONDS = 86_400.0
"""No call is given more time than a day, whatever it is told."""
STOP_SECONDS = 4.0
"""How long the plugin's functions for its end may take together: the host waits 5 seconds."""
SETTLED_SECONDS = 2.0
"""How long after its start what a plugin has made is taken to be what it keeps."""
FIRST_REST, LONGEST_REST = 1.0, 60.0
"""Seconds before background work that failed begins anew: at first, and at most."""


def settle() -> None:
    """Modules and settings stay: whoever looks for garbage need not look through them again and again."""
    gc.collect()
    gc.freeze()


class Overdue(Exception):
    """The time is over. Not `TimeoutError`, which the plugin's own code may raise."""


async def within(seconds: float, work: Awaitable[T]) -> T:
    """Awaits it in this very task; `Overdue` when it takes too long."""
    task = asyncio.current_task()
    assert task is not None
    over = False

    def end() -> None:
        nonlocal over
        over = True
        task.cancel()

    timer = asyncio.get_running_loop().call_later(min(seconds, LONGEST_SECONDS), end)
    try:
        return await work
    except asyncio.CancelledError:
        if not over:
            raise
        uncancel = getattr(task, "uncancel", None)  # since Python 3.11
        if uncancel is not None:
            uncancel()
        raise Overdue from None
    finally:
        timer.cancel()


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function can be called with so many arguments."""
    try:
        inspect.signature(function).bind(*[None] * count)
    except (TypeError, ValueError):
        return False
    return True


class Session:
    """One life of a plugin, from `hello` to `shutdown`."""

    def __init__(self, plugin: Plugin, misconfigured: Callable[[str], None]) -> None:
        self.plugin = plugin
        self.pool = Pool()
        self.misconfigured = misconfigured
        self.methods: Dict[str, Callable[[Dict[str, Any]], Awaitable[Any]]] = {
            "hello": self.hello,
            "configure": self.configure,
            "start": self.start,
            "deliver": self.deliver,
            "health": self.health,
            "drain": self.drain,
            "shutdown": self.shutdown,
        }
        # what there is nothing for is no method of this plugin
        if plugin.validators:
            self.methods["validate"] = self.validate
        if plugin.tests:
            self.methods["test"] = self.test
        if plugin.subscriptions:
            self.methods["events"] = self.events
        if plugin.checks:
            self.methods["check"] = self.check
        if plugin.ticketer is not None:
            self.methods["ticket"] = self.ticket
        self.methods["request"] = self.request
        self._tasks: List[asyncio.Task[None]] = []
        self._working: set[asyncio.Task[Any]] = set()
        self._draining = False
        self._stopped: Optional[asyncio.Task[None]] = None

    async def call(self, provided: Provided, *arguments: Any) -> Any:
        """Calls a function of the plugin, in a thread if it is not async."""
        if provided.is_async:
            return await provided.function(*arguments)
        returned = await self.pool.run(provided.function, *arguments)
        return await returned if inspect.isawaitable(returned) else returned

    async def work(self, seconds: float, provided: Provided, *arguments: Any) -> Any:
        """Calls one for which the host waits. When the time is over, an async one is cancelled: `Overdue`. One in a
        thread cannot be, and nothing is said of it before it is done: so the host sees that it is stuck, asks for
        no more than there is room for, and starts a plugin anew that is stuck for too long."""
        if provided.is_async:
            return await within(seconds, provided.function(*arguments))
        returned = await self.pool.finish(provided.function, *arguments)
        return await within(seconds, returned) if inspect.isawaitable(returned) else returned

    # its beginning

    async def hello(self, params: Dict[str, Any]) -> Dict[str, Any]:
        spoken = params.get("protocol") or {}
        if not spoken.get("min", CONTRACT) <= CONTRACT <= spoken.get("max", CONTRACT):
            raise RpcError(WRONG_PARAMETERS, f"this plugin speaks contract {CONTRACT} only, not {spoken}")
        plugin, about = self.plugin, params.get("plugin") or {}
        plugin.id = str(about.get("id", ""))
        plugin.folder = str(about.get("folder", ""))
        plugin.state = str(about.get("state", ""))
        plugin.host.features = tuple(params.get("features") or ())
        plugin.host.version = str((params.get("host") or {}).get("version", ""))
        features = []
        if any(what != "settings" for what, _ in plugin.validators):
            features.append("validate")
        if plugin.tests:
            features.append("test")
        if plugin.ticketer is not None:
            features.append("ticket")
        return {
            "protocol": CONTRACT,
            "sdk": f"nightbell-plugin {__version__}",
            "features": features,
            "provides": plugin.provides(),
        }

    async def configure(self, params: Dict[str, Any]) -> Dict[str, Any]:
        plugin, before = self.plugin, self.plugin.settings
        settings = dict(params.get("settings") or {})
        try:
            validator = plugin.validators.get(("settings", ""))
            if validator is not None:
                cleaned = await self.call(validator, settings)
                settings = settings if cleaned is None else cleaned
            if params.get("dry_run"):
                return {}
            plugin.settings = settings
            for configurer in plugin.configurers:
                await self.call(configurer, settings)
        except (Invalid, Misconfigured) as error:
            plugin.settings = before
            return {"errors": getattr(error, "errors", [{"path": "", "message": str(error)}])}
        except BaseException:
            plugin.settings = before
            raise
        return {}

    async def start(self, params: Dict[str, Any]) -> Dict[str, Any]:
        def name(route: Dict[str, Any]) -> Tuple[str, str]:
            return route["path"], route["auth"]

        before = {name(route): route["methods"] for route in self.plugin.route_facts()}
        try:
            for starter in self.plugin.starters:
                await self.call(starter)
        except Misconfigured as error:
            self.misconfigured(str(error))
            raise
        loop = asyncio.get_running_loop()
        self._tasks += [loop.create_task(self._background(work)) for work in self.plugin.backgrounds]
        loop.call_later(SETTLED_SECONDS, settle)
        # what was added to what `hello` said
        added = [
            {**route, "methods": [method for method in route["methods"] if method not in before.get(name(route), ())]}
            for route in self.plugin.route_facts()
        ]
        added = [route for route in added if route["methods"]]
        return {"routes": added} if added else {}

    async def _background(self, work: Provided) -> None:
        loop, rest = asyncio.get_running_loop(), FIRST_REST
        name = getattr(work.function, "__qualname__", "background work")
        while True:
            begun = loop.time()
            try:
                await self.call(work)
                return
            except Exception as error:
                logger.exception("%s failed and begins anew", name)
                self.plugin.host.status("degraded", f"{name}: {last_line(error)}")
            # what went well for a while begins with a short rest again
            rest = FIRST_REST if loop.time() - begun > LONGEST_REST else rest
            await asyncio.sleep(rest)
            self.plugin.host.status("ok")
            rest = min(rest * 2, LONGEST_REST)

    # its work

    async def deliver(self, params: Dict[str, Any]) -> Dict[str, Any]:
        self._take_work()
        deliveries = [Delivery(raw) for raw in _objects(params, "deliveries")]
        kinds = {delivery.kind for delivery in deliveries}
        if len(deliveries) == 1:
            return {"outcomes": await self._deliver(deliveries[0].kind, deliveries)}
        works = []
        for kind in kinds:
            same = [delivery for delivery in deliveries if delivery.kind == kind]
            whole = kind in self.plugin.destinations and self.plugin.destinations[kind].facts.get("batch")
            works += [self._deliver(kind, part) for part in ([same] if whole else [[one] for one in same])]
        outcomes = await asyncio.gather(*works)
        return {"outcomes": _fitting([outcome for part in outcomes for outcome in part])}

    async def _deliver(self, kind: str, deliveries: List[Delivery]) -> List[Dict[str, Any]]:
        """One call of a destination's function: for a list, or for the one delivery in it."""
        destination = self.plugin.destinations.get(kind)
        if destination is None:
            return _outcomes(deliveries, Retry(f"this plugin has no destination of kind {kind!r}"))
        batch = destination.facts.get("batch")
        deadline = min(delivery.deadline_ms or DEFAULT_DEADLINE_MS for delivery in deliveries)
        token = current_delivery.set(deliveries[0].id if len(deliveries) == 1 else "")
        returned: Any
        try:
            returned = await self.work(deadline / 1000, destination, deliveries if batch else deliveries[0])
        except Overdue:
            returned = Retry(f"not done within {deadline} ms")
        except Outcome as outcome:
            returned = outcome
        except Exception as error:
            logger.exception("a delivery failed")
            returned = error
        finally:
            current_delivery.reset(token)
        return _outcomes(deliveries, returned)

    async def test(self, params: Dict[str, Any]) -> Dict[str, Any]:
        kind, settings = str(params.get("kind")), params.get("settings") or {}
        tester = self.plugin.tests.get(kind)
        try:
            if tester is None:
                destination = self.plugin.destinations.get(kind)
                if destination is None:
                    raise RpcError(NOT_FOUND, f"there is no kind {kind!r}")
                message = {"kind": "test", "title": "Test", "body": "A test message", "severity": "info"}
                delivery = Delivery(id="test", key="test", kind=kind, settings=settings, message=message)
                one = [delivery] if destination.facts.get("batch") else delivery
                returned = await self.work(LONGEST_SECONDS, destination, one)
                returned = returned[0] if isinstance(returned, list) and returned else returned
            else:
                arguments = [settings, params.get("options") or {}]
                if _takes(tester.function, 3):
                    arguments.append([OfProject(raw) for raw in params.get("projects") or []])
                returned = await self.work(LONGEST_SECONDS, tester, *arguments)
        except Outcome as outcome:
            returned = outcome
        except RpcError:
            raise
        except Exception as error:
            logger.exception("a test failed")
            returned = error
        return outcome_of(returned).to_json()

    async def validate(self, params: Dict[str, Any]) -> Dict[str, Any]:
        value = params.get("value")
        what, kind = str(params.get("what", "")), str(params.get("kind") or "")
        validator = self.plugin.validators.get((what, kind)) or self.plugin.validators.get((what, ""))
        if validator is None:
            return {"value": value}
        arguments = [value]
        if _takes(validator.function, 2):
            arguments.append(str(params.get("project", "")) if what == "project" else params.get("others") or [])
        try:
            cleaned = await self.work(LONGEST_SECONDS, validator, *arguments)
        except Invalid as invalid:
            return {"errors": invalid.errors}
        return {"value": value if cleaned is None else cleaned}

    async def events(self, params: Dict[str, Any]) -> Dict[str, Any]:
        self._take_work()
        subscription = self.plugin.subscriptions.get(str(params.get("subscription")))
        if subscription is None:
            raise RpcError(NOT_FOUND, f"there is no subscription {params.get('subscription')!r}")
        events = [Event(raw) for raw in _objects(params, "events")]
        await self.work(LONGEST_SECONDS, subscription, events)
        return {}

    async def request(self, params: Dict[str, Any]) -> Dict[str, Any]:
        self._take_work()
        request = Request(params)
        items = self.plugin.routes.get(request.route)
        if items is None:
            raise RpcError(NOT_FOUND, f"there is no route {request.route!r}")
        for item in items:
            if request.method.upper() in item.facts["methods"]:
                return response_of(await self.work(LONGEST_SECONDS, item, request)).to_json()
        return response_of((405, "the route has no such method")).to_json()

    async def check(self, params: Dict[str, Any]) -> Dict[str, Any]:
        kind = str(params.get("kind"))
        checker = self.plugin.checks.get(kind)
        if checker is None:
            raise RpcError(NOT_FOUND, f"there is no check {kind!r}")
        try:
            seconds = (params.get("deadline_ms") or DEFAULT_DEADLINE_MS) / 1000
            found = await self.work(seconds, checker, params.get("settings") or {})
        except Overdue:
            found = Check("failing", "the check did not end in time")
        except Exception as error:
            logger.exception("the check %s failed", kind)
            found = Check("failing", last_line(error))
        if found is not None and not isinstance(found, Check):
            raise RpcError(FAILED, f"the check returned {found!r:.100}, not a Check")
        return (found or Check()).to_json()

    async def ticket(self, params: Dict[str, Any]) -> Dict[str, Any]:
        self._take_work()
        if self.plugin.ticketer is None:
            raise RpcError(NOT_FOUND, "there are no tickets here")
        made = await self.work(LONGEST_SECONDS, self.plugin.ticketer, TicketRequest(params))
        if not isinstance(made, Ticket):
            raise RpcError(FAILED, f"the function for tickets returned {made!r:.100}, not a Ticket")
        return made.to_json()

    async def health(self, params: Dict[str, Any]) -> Dict[str, Any]:
        if self.plugin.health_check is not None:
            wrong = await self.call(self.plugin.health_check)
            if wrong:
                return {"status": "degraded", "detail": str(wrong)}
        return dict(self.plugin.host.health)

    # its end

    def _take_work(self) -> None:
        if self._draining:
            raise RpcError(NOT_NOW, "the plugin is stopping")
        task = asyncio.current_task()
        if task is not None:
            self._working.add(task)
            task.add_done_callback(self._working.discard)

    async def drain(self, params: Dict[str, Any]) -> Dict[str, Any]:
        self._draining = True
        if self._working:
            await asyncio.wait(set(self._working))
        return {}

    async def shutdown(self, params: Dict[str, Any]) -> Dict[str, Any]:
        self._draining = True
        await self.stop()
        return {}

    async def stop(self) -> None:
        """Ends background work and calls the plugin's functions for its end, once."""
        if self._stopped is None:
            self._stopped = asyncio.get_running_loop().create_task(self._stop())
        await asyncio.shield(self._stopped)

    async def _stop(self) -> None:
        self.plugin.stopping.set()
        for task in self._tasks:
            task.cancel()
        try:
            await within(STOP_SECONDS, self._close())
        except Overdue:
            logger.error("the plugin's end took more than %g s", STOP_SECONDS)

    async def _close(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)
        for stopper in reversed(self.plugin.stoppers):
            try:
                await self.call(stopper)
            except Exception:
                logger.exception("the plugin's end failed")


def _objects(params: Dict[str, Any], name: str) -> List[Dict[str, Any]]:
    """A parameter that is a list of objects."""
    items = params.get(name)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise RpcError(WRONG_PARAMETERS, f"{name} is a list of objects")
    return items


def _outcomes(deliveries: List[Delivery], returned: Any) -> List[Dict[str, Any]]:
    """One outcome for each: all the same, or those of a list as long."""
    if isinstance(returned, (list, tuple)):
        if len(returned) != len(deliveries):
            returned = Retry(f"the plugin returned {len(returned)} outcomes for {len(deliveries)} deliveries")
        else:
            return [{"id": one.id, **_told(each)} for one, each in zip(deliveries, returned)]
    outcome = _told(returned)
    return [{"id": delivery.id, **outcome} for delivery in deliveries]


def _told(returned: Any) -> Dict[str, Any]:
    """An outcome as the wire carries it. One that cannot be told must not make the others of a batch come again."""
    try:
        return outcome_of(returned).to_json()
    except Exception as error:
        logger.exception("an outcome cannot be told")
        # that it is delivered counts for more than what cannot be said of it
        name = returned.name if isinstance(returned, Outcome) else Retry.name
        return {"outcome": name, "reason": f"the plugin's outcome cannot be told: {last_line(error)}"}


def _fitting(outcomes: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """The same, with shorter words where they would not fit into a line together."""
    words = ("reason", "text", "receipt")
    length = sum(len(outcome.get(name, "")) for outcome in outcomes for name in words)
    # a character has at most six bytes in JSON
    if length * 6 > MAX_LINE // 2:
        most = MAX_LINE // (32 * len(outcomes))
        for outcome in outcomes:
            outcome.update((name, outcome[name][:most]) for name in words if name in outcome)
    return outcomes
