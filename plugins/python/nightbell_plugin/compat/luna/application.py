"""The application that LUNA's plugins are given."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import types
from typing import Any, Awaitable, Dict, Iterable, List, Optional, Set, Tuple

from ... import Plugin, Request, Response
from ..calls import NotProvided
from .base import CONVERTERS, VERBS, LunaRequest, said

logger = logging.getLogger("luna")


class LunaApplication:
    """What is used of it: `ctx`, `loop`, `name`, `config`, `add_task`, `add_route`."""

    def __init__(self, plugin: Optional[Plugin] = None, name: str = "plugin") -> None:
        self.name = name
        self.ctx = types.SimpleNamespace(
            logger=logger,
            settings={} if plugin is None else plugin.settings,
            serviceName="nightbell",
            hub=plugin.host if plugin is not None else None,
        )
        self._plugin = plugin
        self._tasks: Set[asyncio.Task[Any]] = set()

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            logger.error("plugin %s: Nightbell has no app.%s to give", self.name, name)
        raise NotProvided(f"Nightbell has no app.{name} to give to a LUNA plugin")

    @property
    def config(self) -> Dict[str, Any]:
        """The plugin's settings, as they are now."""
        return self._plugin.settings if self._plugin is not None else {}

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that everything runs in."""
        return asyncio.get_running_loop()

    def add_task(self, work: Awaitable[Any], *_: Any, **__: Any) -> asyncio.Task[Any]:
        """Runs it beside everything else until the end."""

        async def run() -> Any:
            try:
                return await work
            except Exception:
                logger.exception("a task failed")
                return None

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def add_route(self, handler: Any, uri: str, methods: Optional[Iterable[str]] = None, *_: Any, **__: Any) -> None:
        """A route under the plugin's own: a class with a method for each verb, or a function."""
        if self._plugin is None:
            raise NotProvided("routes are added in initialize")
        path, types_ = pattern(uri)
        if methods is not None:
            verbs = [methods] if isinstance(methods, str) else list(methods)
        elif isinstance(handler, type):
            verbs = [verb for verb in VERBS if callable(getattr(handler, verb, None))]
        else:
            verbs = ["get"]
        names = sorted(verb.upper() for verb in verbs)

        async def serve(request: Request) -> Response:
            return await self._serve(handler, types_, request)

        self._plugin.route(path, methods=names)(serve)

    async def _serve(self, handler: Any, types_: List[Tuple[str, str]], request: Request) -> Response:
        arguments: Dict[str, Any] = dict(request.arguments)
        for name, kind in types_:
            try:
                arguments[name] = CONVERTERS.get(kind, str)(arguments[name])
            except (KeyError, ValueError):
                return Response("there is nothing here", 404)
        asked = LunaRequest(request, arguments, self)
        if isinstance(handler, type):
            taken = len(inspect.signature(handler).parameters) > 0
            one = handler(asked) if taken else handler()
            function = getattr(one, asked.method.lower(), None)
            if function is None:
                return Response("the route has no such method", 405)
        else:
            function = handler
        returned = function(asked, **arguments)
        if inspect.isawaitable(returned):
            returned = await returned
        status, headers, body = said(returned)
        return Response(body, status, headers)

    async def end(self) -> None:
        """Ends the tasks that go on."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def pattern(uri: str) -> Tuple[str, List[Tuple[str, str]]]:
    """A path of Sanic, `/item/<id:int>`, as ours, and the types of its arguments."""
    types_ = []

    def place(found: "re.Match[str]") -> str:
        name, _, kind = found.group(1).partition(":")
        types_.append((name.strip(), kind.strip() or "str"))
        return f"<{name.strip()}>"

    path = re.sub(r"<([^<>]+)>", place, uri)
    return path if path.startswith("/") else f"/{path}", types_
