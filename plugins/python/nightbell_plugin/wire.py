"""JSON-RPC 2.0 with one message a line, in both directions over one pair of pipes.

A `Peer` is one end: it answers what the other side asks and asks the other side. The plugin and the host of
the test kit are both built on it.
"""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import json
import logging
import sys
from typing import Any, Awaitable, Callable, Dict, List, Mapping, Optional, Union

MAX_LINE = 1 << 20
"""Bytes of one message with the end of its line."""
MAX_CALLS = 64
"""Requests that a plugin may have under way."""
MAX_SERVED = 256
"""Requests of the other side that are served at once; the host keeps to fewer."""
MAX_BACKLOG = 4 * MAX_LINE
"""Bytes that may wait for the other side to read before notifications are dropped."""
MAX_DEPTH = 200
"""How deep values may be nested."""
MAX_ERROR = 2000
"""Characters of an error's message."""

NOT_JSON = -32700
NOT_A_REQUEST = -32600
NO_SUCH_METHOD = -32601
WRONG_PARAMETERS = -32602
FAILED = -32603
TIME_OVER = -32001
CANCELLED = -32002
NOT_PERMITTED = -32003
NOT_FOUND = -32004
TOO_MUCH = -32005
NOT_NOW = -32006
CIRCLE = -32007

logger = logging.getLogger("nightbell_plugin")

Id = Union[int, str]
Method = Callable[[Dict[str, Any]], Awaitable[Any]]
Note = Callable[[Dict[str, Any]], None]

current_request: contextvars.ContextVar[Optional[Id]] = contextvars.ContextVar("request", default=None)
"""The request of the other side that this task or thread works on."""


class RpcError(Exception):
    """A request was answered with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def plain(value: Any) -> Any:
    """What JSON has no word for, in words that it has."""
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    raw = getattr(value, "raw", None)
    if isinstance(raw, dict):
        return raw
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no number in JSON")


_encoder = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=True, separators=(",", ":"), default=plain
)
_decoder = json.JSONDecoder(parse_constant=_refuse)


def _finite(value: Any, depth: int = 0) -> Any:
    """The value with null in place of numbers that JSON does not have."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(name): _finite(item, depth + 1) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item, depth + 1) for item in value]
    if value is None or isinstance(value, (str, int)):
        return value
    return _finite(plain(value), depth + 1)


def _whole(text: str) -> str:
    """The text with its surrogates joined to characters, and U+FFFD for those that stand alone."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, dict):
        return {_whole(name): _mended(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_mended(item) for item in value]
    return value


def encode(message: Any) -> bytes:
    """One line. Numbers that JSON does not have become null, lone surrogates U+FFFD; what is nested in a
    circle or too deep is a `ValueError`."""
    try:
        text = _encoder.encode(message)
    except RecursionError:
        raise ValueError(f"nested more than {MAX_DEPTH} deep") from None
    except (ValueError, TypeError):
        text = _encoder.encode(_finite(message))
    try:
        line = text.encode()
    except UnicodeEncodeError:
        line = _whole(text).encode()
    return line + b"\n"


def decode(line: bytes) -> Any:
    """The message of a line; a `ValueError` says what is wrong with it."""
    try:
        value = _decoder.decode(line.decode("utf-8"))
        if b"\\ud" in line or b"\\uD" in line:
            value = _mended(value)
    except RecursionError:
        raise ValueError("nested too deep") from None
    return value


def last_line(error: BaseException) -> str:
    """An exception as its last line, `ValueError: no such room`, as people quote it."""
    name = type(error).__name__
    try:
        said = [line.strip() for line in str(error).splitlines() if line.strip()]
    except Exception:  # an exception whose text cannot be made is still an exception
        said = []
    return (f"{name}: {said[-1]}" if said else name)[:MAX_ERROR]


class Peer:
    """One end of the wire.

    `write` takes the bytes of whole lines; `backlog` says how many of them wait for the other side.
    `methods` and `notes` are what the other side may ask and tell.
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        methods: Mapping[str, Method],
        notes: Mapping[str, Note],
        backlog: Callable[[], int] = lambda: 0,
    ) -> None:
        self._write = write
        self._backlog = backlog
        self._methods = methods
        self._notes: Dict[str, Note] = {"$/cancel": self._cancel, **notes}
        self._loop = asyncio.get_running_loop()
        self._tasks: Dict[Id, asyncio.Task[None]] = {}
        self._calls: Dict[Id, asyncio.Future[Any]] = {}
        self._credit = asyncio.Semaphore(MAX_CALLS)
        self._next = 0
        self._buffer = bytearray()
        self._skipping = False
        self._closed: Optional[str] = None
        self._out: List[bytes] = []
        self.dropped = 0
        """Notifications that were not written since the other side did not read, and answers to nobody."""

    # what comes in

    def feed(self, data: Union[bytes, memoryview]) -> None:
        """Takes in bytes as they were read, lines or parts of them."""
        buffer = self._buffer
        seen = len(buffer)
        buffer += data
        begin = 0
        while True:
            end = buffer.find(b"\n", max(begin, seen))
            if end < 0:
                break
            line = bytes(buffer[begin:end])
            begin = end + 1
            if self._skipping:
                self._skipping = False
            elif len(line) >= MAX_LINE:
                self._too_long()
            else:
                self._line(line)
        del buffer[:begin]
        if len(buffer) >= MAX_LINE:
            if not self._skipping:
                self._too_long()
            self._skipping = True
        if self._skipping:
            buffer.clear()

    def _too_long(self) -> None:
        self._error(None, NOT_A_REQUEST, f"a line is longer than {MAX_LINE} bytes")

    def _line(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            message = decode(line)
        except ValueError as error:
            self._error(None, NOT_JSON, f"not JSON: {error}")
            return
        if not isinstance(message, dict):
            self._error(None, NOT_A_REQUEST, "a message is an object")
            return
        id_ = message.get("id")
        method = message.get("method")
        if isinstance(method, str):
            params = message.get("params")
            params = {} if params is None else params
            if "id" not in message:
                self._noted(method, params)
            elif isinstance(id_, bool) or not isinstance(id_, (int, str)):
                self._error(None, NOT_A_REQUEST, "an id is an integer or a string")
            else:
                self._asked(id_, method, params)
        elif "result" in message or "error" in message:
            self._answered(id_, message)
        else:
            self._error(None, NOT_A_REQUEST, "neither a request nor an answer")

    def _noted(self, method: str, params: Any) -> None:
        note = self._notes.get(method)
        if note is None or not isinstance(params, dict):
            return
        try:
            note(params)
        except Exception:
            logger.exception("the notification %s", method)

    def _asked(self, id_: Id, method: str, params: Any) -> None:
        serve = self._methods.get(method)
        if serve is None:
            self._error(id_, NO_SUCH_METHOD, f"there is no method {method[:100]!r}")
        elif not isinstance(params, dict):
            self._error(id_, WRONG_PARAMETERS, f"the parameters of {method} are an object")
        elif id_ in self._tasks:
            self._error(id_, NOT_A_REQUEST, f"the id {id_!r} is under way already")
        elif len(self._tasks) >= MAX_SERVED:
            self._error(id_, TOO_MUCH, f"{MAX_SERVED} requests are under way already")
        else:
            task = self._tasks[id_] = self._loop.create_task(self._serve(id_, serve, params))
            # one that is cancelled before it has begun never comes to its own end
            task.add_done_callback(lambda task: self._served(id_, task))

    async def _serve(self, id_: Id, serve: Method, params: Dict[str, Any]) -> None:
        # this task's own context: what it begins has a copy
        current_request.set(id_)
        try:
            self._send({"jsonrpc": "2.0", "id": id_, "result": await serve(params)})
        except RpcError as error:
            self._error(id_, error.code, error.message)
        except Exception as error:
            logger.exception("a request failed")
            self._error(id_, FAILED, last_line(error))

    def _served(self, id_: Id, task: asyncio.Task[None]) -> None:
        self._tasks.pop(id_, None)
        if task.cancelled():
            self._error(id_, CANCELLED, "cancelled")
        elif task.exception() is not None:
            # no exception but one that ends programs
            self._error(id_, FAILED, last_line(task.exception() or Exception()))

    def _cancel(self, params: Dict[str, Any]) -> None:
        id_ = params.get("id")
        task = self._tasks.get(id_) if isinstance(id_, (int, str)) else None
        if task is not None:
            task.cancel()

    def _answered(self, id_: Any, message: Dict[str, Any]) -> None:
        call = self._calls.pop(id_, None) if isinstance(id_, (int, str)) else None
        if call is None or call.done():
            self.dropped += 1
            return
        error = message.get("error")
        if isinstance(error, dict):
            code = error.get("code")
            text = str(error.get("message", "no reason was given"))
            call.set_exception(RpcError(code if isinstance(code, int) else FAILED, text))
        elif "error" in message and error is not None:
            call.set_exception(RpcError(FAILED, str(error)))
        else:
            call.set_result(message.get("result"))

    # what goes out

    async def request(
        self, method: str, params: Optional[Dict[str, Any]] = None, timeout: Optional[float] = None
    ) -> Any:
        """Asks the other side. An error in answer, no answer in `timeout` seconds and the end of the
        other side are an `RpcError`."""
        async with self._credit:
            if self._closed is not None:
                raise RpcError(FAILED, self._closed)
            self._next += 1
            id_ = self._next
            line = encode({"jsonrpc": "2.0", "id": id_, "method": method, "params": params or {}})
            if len(line) > MAX_LINE:
                too_long = f"{method}: {len(line)} bytes are more than a line may have ({MAX_LINE})"
                raise RpcError(WRONG_PARAMETERS, too_long)
            call = self._loop.create_future()
            self._calls[id_] = call
            self._put(line)
            try:
                return await asyncio.wait_for(call, timeout)
            except asyncio.TimeoutError:
                self.notify("$/cancel", {"id": id_})
                raise RpcError(TIME_OVER, f"{method}: no answer within {timeout:g} s") from None
            except asyncio.CancelledError:
                self.notify("$/cancel", {"id": id_})
                raise
            finally:
                self._calls.pop(id_, None)

    def notify(self, method: str, params: Dict[str, Any]) -> None:
        """Tells the other side; dropped and counted when it does not read, or when it is too long."""
        line = encode({"jsonrpc": "2.0", "method": method, "params": params})
        if len(line) > MAX_LINE or self._backlog() > MAX_BACKLOG:
            self.dropped += 1
        else:
            self._put(line)

    def _send(self, message: Dict[str, Any]) -> None:
        try:
            line = encode(message)
        except ValueError as error:
            self._error(message["id"], FAILED, f"the answer cannot be written: {error}")
            return
        if len(line) > MAX_LINE:
            why = f"the answer of {len(line)} bytes is longer than a line may be ({MAX_LINE})"
            self._error(message["id"], FAILED, why)
            return
        self._put(line)
        if len(self._tasks) <= 1:
            # nothing else is about to be said: no turn of the loop is waited for
            self.flush()

    def _error(self, id_: Optional[Id], code: int, message: str) -> None:
        # plugins raise these, too, with whatever they like in them
        if isinstance(code, bool) or not isinstance(code, int) or abs(code) >= 1 << 63:
            code = FAILED
        error = {"code": code, "message": str(message)[:MAX_ERROR]}
        self._put(encode({"jsonrpc": "2.0", "id": id_, "error": error}))

    def _put(self, line: bytes) -> None:
        # what is said in one turn of the loop goes out in one write
        if not self._out:
            self._loop.call_soon(self.flush)
        self._out.append(line)

    def flush(self) -> None:
        """Writes what was said since the last turn of the loop."""
        if self._out:
            data = b"".join(self._out)
            self._out.clear()
            self._write(data)

    # the end

    def close(self, reason: str) -> None:
        """The other side is gone: what was asked of it fails, what it asked is cancelled."""
        if self._closed is not None:
            return
        self._closed = reason
        for call in list(self._calls.values()):
            if not call.done():
                call.set_exception(RpcError(FAILED, reason))
        for task in list(self._tasks.values()):
            task.cancel()


if sys.version_info < (3, 9):  # pragma: no cover
    raise ImportError("nightbell-plugin needs Python 3.9 or later")
