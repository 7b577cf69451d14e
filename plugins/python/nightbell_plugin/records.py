"""What the host sends, as objects: a delivery, its message, the notification in it, and the alerts.

Each is a view of the JSON object that came, which stays in `raw` with all that this version does not know.
A field is read when it is asked for, so that a delivery of ten thousand alerts costs nothing to a plugin
that wants its title.
"""

from __future__ import annotations

import base64
import json
from datetime import datetime, timezone
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Type, TypeVar, cast

T = TypeVar("T")


def moment(text: Any) -> Optional[datetime]:
    """A time as the wire writes it, `2026-01-31T12:00:00.250Z`, with its time zone; `None` for what is none."""
    if isinstance(text, datetime):
        return text
    if not isinstance(text, str) or len(text) < 19:
        return None
    head, rest = text[:19], text[19:]
    if rest.startswith("."):
        digits = len(rest) - len(rest[1:].lstrip("0123456789"))
        head, rest = f"{head}.{rest[1:digits][:6]:0<6}", rest[digits:]
    try:
        time = datetime.fromisoformat(head.replace("t", "T") + ("+00:00" if rest in ("Z", "z", "") else rest))
    except ValueError:
        return None
    return time.astimezone(timezone.utc) if time.tzinfo else None


class _Field:
    """Reads a field out of `raw` once."""

    def __init__(self, read: Callable[[Any], Any], default: Callable[[], Any]) -> None:
        self.read = read
        self.default = default
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, record: Any, owner: Optional[type] = None) -> Any:
        if record is None:
            return self
        value = record.raw.get(self.name)
        value = self.default() if value is None else self.read(value)
        record.__dict__[self.name] = value
        return value


def _as_it_is(value: Any) -> Any:
    return value


def text() -> str:
    """A field of text, empty when it is missing."""
    return cast(str, _Field(str, str))


def number() -> int:
    """A field with a whole number, 0 when it is missing."""
    return cast(int, _Field(int, int))


def time() -> Optional[datetime]:
    """A field with a time in UTC."""
    return cast("Optional[datetime]", _Field(moment, lambda: None))


def table() -> Dict[str, Any]:
    """A field with an object, empty when it is missing."""
    return cast("Dict[str, Any]", _Field(_as_it_is, dict))


def words() -> Dict[str, str]:
    """A field with texts under names, such as labels."""
    return cast("Dict[str, str]", _Field(_as_it_is, dict))


def optional(read: Callable[[Any], T]) -> Optional[T]:
    """A field that may be missing."""
    return cast("Optional[T]", _Field(read, lambda: None))


def one(kind: Type[T]) -> T:
    """A field with an object of its own."""
    return cast(T, _Field(kind, lambda: kind({})))  # type: ignore[call-arg]


def many(kind: Type[T]) -> List[T]:
    """A field with a list of objects."""
    return cast("List[T]", _Field(lambda items: [kind(item) for item in items], list))  # type: ignore[call-arg]


class Record:
    """A JSON object under names. `Alert(title="Disk is full")` makes one by hand."""

    raw: Dict[str, Any]
    """Everything that came, known or not."""

    def __init__(self, raw: Optional[Dict[str, Any]] = None, **fields: Any) -> None:
        self.raw = {**(raw or {}), **fields} if fields or raw is None else raw

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.raw!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and type(other) is type(self) and other.raw == self.raw

    __hash__ = None  # type: ignore[assignment]


class Link(Record):
    """A link with its words."""

    title: str = text()
    url: str = text()


PROJECT_LABELS = ("project", "service", "job", "namespace")
"""Labels that name the project or service, the first that is there."""


class Alert(Record):
    """One incident as it was when the message was planned."""

    incident: str = text()
    """Its id, for `host.incident`."""
    state: str = text()
    """`open`, `acknowledged` or `resolved`."""
    severity: str = text()
    """`info`, `notice`, `warning`, `error` or `critical`."""
    title: str = text()
    labels: Dict[str, str] = words()
    annotations: Dict[str, str] = words()
    started_at: Optional[datetime] = time()
    ends_at: Optional[datetime] = time()
    """When it was over; for an open one, when it will time out."""
    link: str = text()
    """Where it came from; may be empty."""
    acknowledged_by: Optional[str] = optional(str)

    @property
    def project(self) -> str:
        """The project or service that it is about, by its labels; may be empty."""
        return next((self.labels[name] for name in PROJECT_LABELS if self.labels.get(name)), "")


class Notification(Record):
    """What a receiver is told, not yet in words."""

    idempotency_key: str = text()
    reason: str = text()
    """Why now: `first`, `new_alerts`, `all_resolved`, `repeat`, …"""
    receiver: str = text()
    route: str = text()
    group_key: str = text()
    """Stable over time: a channel can thread by it."""
    group_labels: Dict[str, str] = words()
    common_labels: Dict[str, str] = words()
    common_annotations: Dict[str, str] = words()
    external_url: str = text()
    """Where people reach Nightbell, without a slash at the end."""
    alerts: List[Alert] = many(Alert)
    truncated: int = number()
    """Alerts that did not fit."""
    at: Optional[datetime] = time()
    """When it was planned."""


class Message(Record):
    """What to say, in words."""

    kind: str = text()
    """`firing`, `repeated`, `resolved`, `acknowledged` or `test`."""
    title: str = text()
    body: str = text()
    facts: List[Tuple[str, str]] = cast(
        "List[Tuple[str, str]]",
        _Field(lambda pairs: [(str(name), str(value)) for name, value in pairs], list),
    )
    """Names and values worth a table."""
    actions: List[Link] = many(Link)
    """What a reader may do next."""
    link: str = text()
    severity: str = text()
    notification: Notification = one(Notification)


class Person(Record):
    """Somebody who is told."""

    id: str = text()
    name: str = text()
    email: str = text()
    settings: Dict[str, Any] = table()
    """After the plugin's schema for people."""


class OfProject(Record):
    """What is set for a project or service."""

    name: str = text()
    settings: Dict[str, Any] = table()
    """After the plugin's schema for projects."""


class Delivery(Record):
    """A message for one destination."""

    id: str = text()
    key: str = text()
    """The idempotency key: the same over all retries."""
    attempt: int = number()
    deadline_ms: int = number()
    kind: str = text()
    destination: str = text()
    """Its name: receiver, kind, number."""
    settings: Dict[str, Any] = table()
    """Of this destination, with defaults filled in."""
    message: Message = one(Message)
    recipients: List[Person] = many(Person)
    on_duty: List[Person] = many(Person)
    projects: List[OfProject] = many(OfProject)
    """Those that it is about, for plugins with a schema for projects."""

    def set_for(self, project: str) -> Dict[str, Any]:
        """What is set for a project of this message, such as `alert.project`; nothing, if nothing is."""
        return next((each.settings for each in self.projects if each.name == project), {})


class Event(Record):
    """Something that happened in the hub, for a subscription."""

    topic: str = text()
    id: str = text()
    at: Optional[datetime] = time()
    data: Dict[str, Any] = table()


class TicketRequest(Record):
    """Somebody wants a ticket for an incident. `key` is the same for the same incident."""

    key: str = text()
    incident: Dict[str, Any] = table()
    by: str = text()
    note: str = text()


class Headers(Dict[str, str]):
    """Headers by name in any case; of one that came twice, the last."""

    def __init__(self, pairs: Sequence[Sequence[str]] = ()) -> None:
        super().__init__((str(name).lower(), str(value)) for name, value in pairs)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """The header, or the default."""
        return super().get(name.lower(), default)


def body_of(raw: Mapping[str, Any]) -> bytes:
    """A body as the wire carries it: `body` if it is text, `body_base64` if it is not."""
    if raw.get("body_base64") is not None:
        return base64.b64decode(raw["body_base64"])
    return str(raw.get("body") or "").encode("utf-8", "replace")


def with_body(raw: Dict[str, Any], body: bytes) -> Dict[str, Any]:
    """The object with a body as the wire carries it."""
    try:
        raw["body"] = body.decode("utf-8")
    except UnicodeDecodeError:
        raw["body_base64"] = base64.b64encode(body).decode("ascii")
    return raw


def _headers(value: Any) -> Headers:
    return Headers(list(value.items()) if isinstance(value, dict) else value)


class Request(Record):
    """A request to one of the plugin's routes."""

    route: str = text()
    """The route's pattern, `/item/<id>`."""
    arguments: Dict[str, str] = words()
    """What stood in the pattern's places."""
    method: str = text()
    path: str = text()
    query: str = text()
    """What follows the question mark."""
    headers: Headers = cast(Headers, _Field(_headers, Headers))
    principal: Dict[str, Any] = table()
    """Who asks; empty for a route that anybody may ask."""

    @property
    def body(self) -> bytes:
        """The bytes of the body."""
        return body_of(self.raw)

    def json(self) -> Any:
        """The body as JSON; a `ValueError` if it is none."""
        return json.loads(self.body)


class Answer(Record):
    """What `host.fetch` brought."""

    status: int = number()
    headers: Headers = cast(Headers, _Field(_headers, Headers))

    @property
    def body(self) -> bytes:
        """The bytes of the body."""
        return body_of(self.raw)

    def json(self) -> Any:
        """The body as JSON; a `ValueError` if it is none."""
        return json.loads(self.body)
