"""What a plugin may ask the host, from async functions and from threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import logging
from typing import Any, Awaitable, Dict, Iterable, List, Mapping, Optional, Sequence, TypeVar, cast

from .records import Answer, with_body
from .wire import FAILED, NOT_FOUND, Peer, RpcError, current_request, last_line, logger as own_logger

T = TypeVar("T")

ASK_SECONDS = 30.0
"""How long the host may take to answer."""

CHAINED = ("emit", "incident.act")
"""What may make the hub tell plugins something: the host is told because of which request it is done."""

MAX_LOG = 16_000
"""Characters of a line in the log."""

current_delivery: contextvars.ContextVar[str] = contextvars.ContextVar("delivery", default="")
"""The id of the delivery that this task or thread works on."""


class Keys:
    """Small state that the host keeps in its database: any JSON of at most 64 KiB under a key of at most 128 bytes."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def get(self, key: str, default: Any = None) -> Any:
        """What lies under the key."""
        try:
            answer = await self._host.ask("kv.get", key=key)
        except RpcError as error:
            if error.code == NOT_FOUND:
                return default
            raise
        value = (answer or {}).get("value")
        return default if value is None else value

    async def set(self, key: str, value: Any) -> None:
        """Puts it there."""
        await self._host.ask("kv.set", key=key, value=value)

    async def delete(self, key: str) -> None:
        """Takes it away."""
        await self._host.ask("kv.delete", key=key)

    async def list(self, prefix: str = "") -> List[str]:
        """The keys that begin so."""
        answer = await self._host.ask("kv.list", prefix=prefix)
        return [str(key) for key in (answer or {}).get("keys", [])]


class Incidents:
    """The incidents of the hub."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def get(self, id: str) -> Dict[str, Any]:
        """The incident as the API shows it."""
        return cast("Dict[str, Any]", await self._host.ask("incident.get", id=id))

    async def act(self, id: str, verb: str, *, by: str = "", note: str = "") -> None:
        """`acknowledge`, `resolve` or `note`; needs the permission `act`."""
        await self._host.ask("incident.act", id=id, verb=verb, by=by, note=note)


class Host:
    """The hub that runs this plugin.

    What asks is async; in a thread write `plugin.host.wait(plugin.host.kv.get("seen"))`. `log` and `status`
    only tell, and may be called anywhere. An error in answer is an `RpcError`.
    """

    def __init__(self) -> None:
        self.features: Sequence[str] = ()
        """What this host can do beside the contract's core."""
        self.version = ""
        self.kv = Keys(self)
        self.incident = Incidents(self)
        self.health: Dict[str, str] = {"status": "ok", "detail": ""}
        """What `status` said last; the answer to the host's question for our health."""
        self._peer: Optional[Peer] = None
        self._loop: Optional[asyncio.AbstractEventLoop] = None

    def attach(self, peer: Peer) -> None:
        """For the runner: from now on this peer is the host."""
        self._peer = peer
        self._loop = asyncio.get_running_loop()

    async def ask(self, method: str, /, **params: Any) -> Any:
        """Any method of the contract, by its name."""
        if self._peer is None:
            raise RpcError(FAILED, "there is no host yet: ask it in on_start or later")
        request = current_request.get()
        if method in CHAINED and request is not None:
            params.setdefault("because", request)
        return await self._peer.request(method, params, ASK_SECONDS)

    def wait(self, question: Awaitable[T]) -> T:
        """For functions that run in threads: asks, and waits for the answer."""
        loop = self._loop
        if loop is None:
            raise RpcError(FAILED, "there is no host yet: ask it in on_start or later")
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is loop:
            getattr(question, "close", lambda: None)()
            raise RuntimeError("wait() is for threads: write `await` in an async function")

        async def asked() -> T:
            return await question

        # the host's own time limit ends it; half as much again is for a loop that is busy
        try:
            return asyncio.run_coroutine_threadsafe(asked(), loop).result(ASK_SECONDS * 1.5)
        except concurrent.futures.TimeoutError:
            raise TimeoutError("the host did not answer") from None

    async def settings(self, *, user: Optional[str] = None, project: Optional[str] = None) -> Dict[str, Any]:
        """What a person (by name or id), or a project or service, has set for this plugin, with its defaults."""
        params = {name: value for name, value in (("user", user), ("project", project)) if value is not None}
        return dict((await self.ask("settings.get", **params) or {}).get("settings") or {})

    async def emit(self, *events: Mapping[str, Any], idempotency_key: Optional[str] = None) -> List[str]:
        """Brings events into the hub, each like a body of `POST /api/v1/events`. Returns their ids when
        they are on disk. Needs the permission `emit`."""
        for event in events:
            if not isinstance(event, Mapping):
                hint = "; give a list as emit(*events)" if isinstance(event, (list, tuple)) else ""
                raise TypeError(f"emit takes events, each a dict, not {type(event).__name__}{hint}")
        params: Dict[str, Any] = {"events": [dict(event) for event in events]}
        if idempotency_key is not None:
            params["idempotency_key"] = idempotency_key
        answer = await self.ask("emit", **params)
        return [str(id_) for id_ in (answer or {}).get("ids", [])]

    async def mail(
        self,
        to: Iterable[str],
        subject: str,
        text: str,
        *,
        html: str = "",
        reply_to: str = "",
        key: str = "",
    ) -> Dict[str, Any]:
        """Sends a mail by the hub's own account; what came of it, as of a delivery. With the same `key`,
        it is the same mail. Needs the permission `mail`."""
        words = {"html": html, "reply_to": reply_to, "key": key}
        given = {name: value for name, value in words.items() if value}
        return dict(await self.ask("mail", to=list(to), subject=subject, text=text, **given) or {})

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        body: bytes = b"",
        timeout: Optional[float] = None,
    ) -> Answer:
        """Asks another server through the hub's guarded client; only the hosts in the manifest.
        `timeout` in seconds."""
        params: Dict[str, Any] = {"method": method, "url": url, "headers": dict(headers or {})}
        if timeout is not None:
            params["timeout_ms"] = round(timeout * 1000)
        if body:
            with_body(params, body)
        return Answer(await self.ask("fetch", **params))

    def log(self, level: str, message: str, **fields: Any) -> None:
        """A line in the plugin's log: `debug`, `info`, `warning` or `error`. Belongs to the delivery
        under way, if any."""
        params: Dict[str, Any] = {"level": level, "message": str(message)[:MAX_LOG]}
        if fields:
            params["fields"] = fields
        delivery = current_delivery.get()
        if delivery:
            params["delivery"] = delivery
        self._tell("log", params)

    def status(self, status: str, detail: str = "") -> None:
        """How the plugin is: `ok`, or `degraded` and why."""
        said = {"status": status, "detail": str(detail)}
        if said != self.health:
            self.health = said
            self._tell("status", said)

    def _tell(self, method: str, params: Dict[str, Any]) -> None:
        if self._peer is None or self._loop is None:
            return
        try:
            here: Optional[asyncio.AbstractEventLoop] = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self._loop:
            self._notify(method, params)
            return
        try:
            self._loop.call_soon_threadsafe(self._notify, method, params)
        except RuntimeError:  # the loop is closed
            pass

    def _notify(self, method: str, params: Dict[str, Any]) -> None:
        if self._peer is None:
            return
        try:
            self._peer.notify(method, params)
        except Exception as error:  # such as one of a value that cannot be made a text
            params = {"level": "error", "message": f"a {method} could not be written: {last_line(error)}"}
            self._peer.notify("log", params)


class LogHandler(logging.Handler):
    """Hands what Python's `logging` is told to the host, with the delivery that it belongs to."""

    def __init__(self, host: Host, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self._host = host

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record."""
        try:
            if record.levelno >= logging.ERROR:
                level = "error"
            elif record.levelno >= logging.WARNING:
                level = "warning"
            else:
                level = "info" if record.levelno >= logging.INFO else "debug"
            fields = {} if record.name in ("root", own_logger.name) else {"logger": record.name}
            self._host.log(level, self.format(record), **fields)
        except Exception:  # a log that fails must not make the work fail
            self.handleError(record)
