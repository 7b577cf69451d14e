"""What becomes of a delivery, a check, a request and a setting. Outcomes and `Invalid` may be returned or raised."""

from __future__ import annotations

import contextlib
import json
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from .records import with_body
from .wire import last_line, plain

MAX_TEXT = 1024
"""Characters of what the other side answered that are kept."""
MAX_REASON = 2000
"""Characters of a reason."""


class Outcome(Exception):
    """What came of a delivery: one of the four below."""

    name = ""

    def __init__(self, reason: str = "", *, status: Optional[int] = None, text: str = "", **more: Any) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.text = text
        self.more = more

    def to_json(self) -> Dict[str, Any]:
        """As the wire carries it."""
        fields: Dict[str, Any] = {"outcome": self.name}
        if self.reason:
            fields["reason"] = str(self.reason)[:MAX_REASON]
        if self.status is not None:
            with contextlib.suppress(TypeError, ValueError, OverflowError):
                fields["status"] = int(self.status)
        if self.text:
            fields["text"] = str(self.text)[:MAX_TEXT]
        # what else somebody says is nothing to the host, and may be long
        more = ((name, self.more.get(name)) for name in ("receipt", "after_ms", "fault"))
        fields.update((name, value) for name, value in more if value not in (None, ""))
        return fields

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.to_json()!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outcome) and other.to_json() == self.to_json()

    __hash__ = Exception.__hash__


class Delivered(Outcome):
    """The other side has it; `receipt` is what it calls it."""

    name = "delivered"

    def __init__(self, receipt: str = "", *, status: Optional[int] = None, text: str = "") -> None:
        super().__init__(status=status, text=text, receipt=str(receipt)[:MAX_TEXT])
        self.receipt = receipt


class Retry(Outcome):
    """Not this time. `after`: not before so many seconds. `fault`: `destination`, it is down, or `pace`,
    it wants less."""

    name = "retry"

    def __init__(
        self,
        reason: str,
        *,
        after: Optional[float] = None,
        fault: str = "",
        status: Optional[int] = None,
        text: str = "",
    ) -> None:
        after_ms = None if after is None else max(0, round(after * 1000))
        super().__init__(reason, status=status, text=text, after_ms=after_ms, fault=fault)
        self.after = after
        self.fault = fault


class Rejected(Outcome):
    """Not ever: it goes to the dead letters."""

    name = "rejected"


class Skipped(Outcome):
    """There was nobody to tell, and that is right."""

    name = "skipped"


def outcome_of(returned: Any) -> Outcome:
    """What a function of a destination means by what it returned or raised."""
    if returned is None:
        return Delivered()
    if isinstance(returned, Outcome):
        return returned
    if isinstance(returned, BaseException):
        return Retry(last_line(returned))
    return Retry(f"the plugin returned {returned!r:.100}, which is no outcome")


class Invalid(ValueError):
    """A setting is wrong: `raise Invalid("room", "there is no such room")`. Several at once:
    `Invalid([(path, message), …])`."""

    def __init__(self, path: Union[str, Sequence[Tuple[str, str]]], message: str = "") -> None:
        pairs = [(path, message)] if isinstance(path, str) else list(path)
        super().__init__("; ".join(f"{path}: {message}" if path else message for path, message in pairs))
        self.errors: List[Dict[str, str]] = [
            {"path": str(path), "message": str(message)} for path, message in pairs
        ]


class Misconfigured(Exception):
    """Only a person can mend it: the program ends with status 78 and is not started anew before something changes."""


class Check:
    """What a check found: `passing`, `warning` or `failing`."""

    def __init__(
        self, status: str = "passing", detail: str = "", labels: Optional[Mapping[str, str]] = None
    ) -> None:
        self.status = status
        self.detail = detail
        self.labels = dict(labels or {})

    def to_json(self) -> Dict[str, Any]:
        """As the wire carries it."""
        return {"status": self.status, "detail": str(self.detail)[:MAX_REASON], "labels": self.labels}


class Ticket:
    """A ticket that there is: what it is called, where it is, and what it says."""

    def __init__(self, id: str, url: str = "", title: str = "") -> None:
        self.id = str(id)
        self.url = str(url)
        self.title = str(title)

    def to_json(self) -> Dict[str, Any]:
        """As the wire carries it."""
        return {"id": self.id, "url": self.url, "title": self.title}


class Response:
    """The answer to a request. A body of text and bytes is sent as it is, anything else as JSON."""

    def __init__(
        self, body: Any = b"", status: int = 200, headers: Optional[Mapping[str, str]] = None
    ) -> None:
        self.status = status
        self.headers: Dict[str, str] = {str(name): str(value) for name, value in (headers or {}).items()}
        kind = "application/json"
        if isinstance(body, str):
            kind, body = "text/plain; charset=utf-8", body.encode("utf-8", "replace")
        elif isinstance(body, (bytes, bytearray)):
            kind, body = "application/octet-stream", bytes(body)
        else:
            body = json.dumps(body, default=plain).encode()
        self.body: bytes = body
        if body and "content-type" not in (name.lower() for name in self.headers):
            self.headers["content-type"] = kind

    def to_json(self) -> Dict[str, Any]:
        """As the wire carries it."""
        return with_body({"status": int(self.status), "headers": self.headers}, self.body)


def response_of(returned: Any) -> Response:
    """What a function of a route means: a `Response`, `None` (204), a pair of status and body, or a body."""
    if isinstance(returned, Response):
        return returned
    if returned is None:
        return Response(status=204)
    if isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[0], int):
        return Response(returned[1], returned[0])
    return Response(returned)
