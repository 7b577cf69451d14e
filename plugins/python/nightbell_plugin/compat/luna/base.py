"""The base classes of LUNA's plugins, and what their routes are given and give."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from abc import ABC, abstractmethod
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple
from urllib.parse import parse_qs

from ...records import Headers, Request, with_body

VERBS = ("get", "post", "put", "patch", "delete", "head", "options")


class Logger(logging.Logger):
    """For annotations; what a plugin is given writes to the hub's log."""


class BaseEventPlugin(ABC):
    """Called on events of one kind."""

    eventName: str = ""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def initialize(self) -> None:
        """Before the first event."""

    async def close(self) -> None:
        """At the end."""

    @abstractmethod
    async def handleEvent(self, *args: Any, **kwargs: Any) -> None:
        """On each event."""


class BaseRequestMonitoringPlugin(BaseEventPlugin):
    """Called with a point for each request that the hub has answered."""

    eventName = "monitoring_event"

    @abstractmethod
    async def flushPointToMonitoring(self, *args: Any, **kwargs: Any) -> None:
        """Takes points: one, or a list if its parameter is called so."""

    async def handleEvent(self, points: List[Any], logger: Any) -> None:
        """Hands them on, one by one if that is what the plugin wants."""
        flush = self.flushPointToMonitoring
        names = list(inspect.signature(flush).parameters)
        if "points" in names:
            await flush(points, logger)
        else:
            await asyncio.gather(*(flush(point, logger) for point in points))


class BaseEventSendingPlugin(BaseEventPlugin):
    """Called with events that came in."""

    eventName = "sending_event"

    @abstractmethod
    async def sendEvents(
        self,
        events: List[Any],
        handlerId: str,
        accountId: str,
        requestId: str,
        createEventTime: str,
        endEventTime: str,
        logger: Any,
    ) -> None:
        """Takes events."""

    async def handleEvent(
        self,
        events: List[Any],
        handlerId: str,
        accountId: str,
        requestId: str,
        createEventTime: str,
        endEventTime: str,
        logger: Any,
    ) -> None:
        """Hands them on."""
        await self.sendEvents(events, handlerId, accountId, requestId, createEventTime, endEventTime, logger)


class BaseBackgroundPlugin(ABC):
    """Works from start to stop, and may have routes."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def initialize(self) -> None:
        """Before the work: routes, connections."""

    async def start(self) -> None:
        """Begins the work and returns."""

    async def close(self) -> None:
        """At the end."""

    def addRoute(self, route: str, handler: Any, methods: Optional[Iterable[str]] = None) -> None:
        """A class with a method for each verb, or a function (GET, unless `methods` says otherwise)."""
        self.app.add_route(handler, route, methods)


class PluginHTTPResponse:
    """An answer to a request."""

    def __init__(self, status: int = 200, body: Any = None, headers: Optional[Mapping[str, str]] = None) -> None:
        self.status, self.body, self.headers = status, body, dict(headers or {})


def pluginHTTPResponse(
    statusCode: int = 200,
    body: Any = None,
    headers: Optional[Mapping[str, str]] = None,
    *,
    status: Optional[int] = None,
    text: Any = None,
    json: Any = None,
    contentType: Optional[str] = None,
) -> PluginHTTPResponse:
    """An answer to a request."""
    body = next((each for each in (body, text, json) if each is not None), None)
    response = PluginHTTPResponse(status or statusCode, body, headers)
    if contentType:
        response.headers["Content-Type"] = contentType
    return response


class BaseBackgroundHandler:
    """Answers the requests to a route: methods `get`, `post`, `put`, `patch`, `delete`."""

    def __init__(self, request: Any = None) -> None:
        self.request = request

    def response(
        self,
        body: Any = None,
        headers: Optional[Mapping[str, str]] = None,
        statusCode: int = 200,
        **named: Any,
    ) -> PluginHTTPResponse:
        """An answer to a request."""
        return pluginHTTPResponse(statusCode, body, headers, **named)


class LunaRequest:
    """A request, as plugins know it."""

    def __init__(self, request: Request, arguments: Dict[str, Any], app: Any) -> None:
        self.app, self.ctx = app, type("Context", (), {})()
        self.method, self.path, self.headers = request.method, request.path, request.headers
        self.query_string = request.query
        self.url = request.path + (f"?{request.query}" if request.query else "")
        self.args = parse_qs(request.query, keep_blank_values=True)
        self.query_args = [(name, value) for name, values in self.args.items() for value in values]
        self.body = request.body
        self.match_info = arguments
        self.ip = ""

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body) if self.body else None

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    @property
    def form(self) -> Dict[str, List[str]]:
        """The body as the fields of a form."""
        return parse_qs(self.text, keep_blank_values=True)


def said(returned: Any) -> Tuple[int, Headers, bytes]:
    """Status, headers and body of what a handler returned: an answer of ours or of Sanic, text, bytes,
    values for JSON, or a pair of body and status."""
    status, headers, body, kind = 200, {}, returned, None
    if hasattr(returned, "status") and hasattr(returned, "body"):
        status, headers, body = returned.status, dict(returned.headers or {}), returned.body
        kind = getattr(returned, "content_type", None)
    elif isinstance(returned, tuple) and 1 < len(returned) < 4:
        body, status = (returned[1], returned[0]) if isinstance(returned[0], int) else returned[:2]
        headers = dict(returned[2]) if len(returned) == 3 else {}
    found = Headers(list(headers.items()))
    if body is None:
        data = b""
    elif isinstance(body, (bytes, bytearray)):
        data, kind = bytes(body), kind or "application/octet-stream"
    elif isinstance(body, str):
        data, kind = body.encode("utf-8", "replace"), kind or "text/plain; charset=utf-8"
    else:
        data, kind = json.dumps(body, default=str).encode(), kind or "application/json"
    if kind and data and "content-type" not in found:
        found["content-type"] = kind
    return int(status), found, data


class Luna404(Exception):
    """An argument of a path does not fit its type."""


CONVERTERS: Dict[str, Callable[[str], Any]] = {"int": int, "number": float, "float": float}
"""Types of arguments in paths, beside text."""


def wire_answer(status: int, headers: Mapping[str, str], body: bytes) -> Dict[str, Any]:
    """As the wire carries it."""
    return with_body({"status": status, "headers": dict(headers)}, body)
