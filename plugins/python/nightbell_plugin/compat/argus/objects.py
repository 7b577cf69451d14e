"""What Argus's media are given: an event, its incident, and destinations, as plain objects."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any, Dict, List, Mapping
from urllib.parse import urljoin

from ...records import Alert, Delivery

INFINITY = datetime.max.replace(tzinfo=timezone.utc)
"""The end of an incident that has not ended."""
LEVELS = {"critical": 1, "error": 2, "warning": 3, "notice": 4}
"""Argus's levels of severities; all others are 5, information."""
INFORMATION = 5
TYPES = {
    "STA": "Incident start",
    "END": "Incident end",
    "CHI": "Incident change",
    "RES": "Incident restart",
    "CLO": "Close",
    "REO": "Reopen",
    "ACK": "Acknowledge",
    "OTH": "Other",
    "LES": "Stateless",
}
"""Types of events, and how they are shown."""
KINDS = {"firing": "STA", "resolved": "END", "acknowledged": "ACK"}
"""Types of messages; all others are `OTH`."""
SOURCE = "nightbell"


def number(*parts: str) -> int:
    """A stable number, of 48 bits."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).digest()[:6], "big")


class Shown(SimpleNamespace):
    """An object that is shown by its `shown`, and is the same as one of its class with the same `pk`."""

    pk: Any = None

    def __str__(self) -> str:
        return str(self.shown)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and getattr(other, "pk", None) == self.pk

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.pk))


class User(Shown):
    """Whose destination it is, or who did something."""

    shown = property(lambda self: self.username)
    is_active = is_authenticated = True
    is_staff = is_superuser = is_source_system = False

    def __init__(self, username: str, email: str = "") -> None:
        super().__init__(pk=number("user", username, email), username=username, email=email)
        self.id = self.pk
        self.first_name, _, self.last_name = username.partition(" ")
        self.destinations = Rows()

    def get_full_name(self) -> str:
        """The name."""
        return str(self.username)


class Rows(List[Any]):
    """A list that can be narrowed as a queryset can."""

    def all(self) -> "Rows":
        """All of them."""
        return self

    def filter(self, **conditions: Any) -> "Rows":
        """Those that fit: `media_id="email"`, `media__slug="email"`, `settings__email_address="a@x.example"`."""
        return Rows(one for one in self if all(_fits(one, name, value) for name, value in conditions.items()))

    def exclude(self, **conditions: Any) -> "Rows":
        """Those that do not fit."""
        out = self.filter(**conditions)
        return Rows(one for one in self if one not in out)

    def exists(self) -> bool:
        """Whether there is one."""
        return bool(self)

    def first(self) -> Any:
        """The first, or none."""
        return self[0] if self else None

    def count(self, *value: Any) -> int:
        """How many there are."""
        return super().count(*value) if value else len(self)

    def order_by(self, *names: str) -> "Rows":
        """As they are."""
        return self

    def distinct(self) -> "Rows":
        """Each once."""
        return Rows(dict.fromkeys(self))


def _fits(one: Any, path: str, value: Any) -> bool:
    parts = path.split("__")
    compare = parts.pop() if parts[-1] in ("in", "iexact", "exact") and len(parts) > 1 else "exact"
    for part in parts:
        one = one.get(part) if isinstance(one, Mapping) else getattr(one, part, None)
    if compare == "in":
        return one in value
    if compare == "iexact":
        return str(one).lower() == str(value).lower()
    return bool(one == value)


class Address(str):
    """A text of a destination's settings that knows its destination.

    `argus-notification-msteams` has a list of these texts where it means destinations, and asks them for
    `label` and `settings`.
    """

    destination: "Destination"

    def __getattr__(self, name: str) -> Any:
        if name in ("label", "settings", "pk", "id", "media", "media_id", "user", "managed"):
            return getattr(self.__dict__["destination"], name)
        raise AttributeError(f"a text has no {name!r}")


class Destination(Shown):
    """Where to send: `pk`, `label`, `media`, `media_id`, `settings`, `user`, `managed`."""

    shown = property(lambda self: f"{self.media_id}: {self.label}")

    def __init__(self, name: str, media: Any, settings: Mapping[str, Any], label: str, user: User) -> None:
        super().__init__(
            pk=number("destination", name), label=label, media=media, media_id=media.slug, user=user
        )
        self.id = self.pk
        self.managed = False
        self.settings: Dict[str, Any] = {}
        for key, value in settings.items():
            if type(value) is str:
                value = Address(value)
                value.destination = self
            self.settings[key] = value
        user.destinations.append(self)


class Media(Shown):
    """A medium, as a destination names it."""

    shown = property(lambda self: self.name)

    def __init__(self, slug: str, name: str) -> None:
        super().__init__(pk=slug, slug=slug, name=name, installed=True)


class Source(Shown):
    """Where the incident comes from."""

    shown = property(lambda self: f"{self.name} ({self.type})")

    def __init__(self, name: str, type: str, base_url: str) -> None:
        super().__init__(pk=number("source", name, type), name=name, base_url=base_url, user=User(name))
        self.id = self.pk
        self.type = SourceType(type)


class SourceType(Shown):
    """What kind of system it is."""

    shown = property(lambda self: self.name)

    def __init__(self, name: str) -> None:
        super().__init__(pk=name, name=name)


class Tag(Shown):
    """`key=value`."""

    shown = property(lambda self: f"{self.key}={self.value}")
    representation = shown

    def __init__(self, key: str, value: str) -> None:
        super().__init__(pk=f"{key}={value}", key=key, value=value)


class Incident:
    """What is wrong. `vars()` of it are Argus's columns, in their order: templates go through them."""

    id: int
    start_time: datetime
    end_time: datetime
    source_incident_id: str
    details_url: str
    level: int
    source: Any
    events: Any
    # what stands here is not among the columns
    __slots__ = ("source", "tags", "deprecated_tags", "acked", "events", "__dict__", "__weakref__")

    def __init__(self, columns: Mapping[str, Any], **more: Any) -> None:
        self._state = SimpleNamespace(db=None, adding=False)
        for name in COLUMNS:
            setattr(self, name, columns[name])
        for name, value in more.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        return f"Incident #{self.pk} at {self.start_time} [#{self.source_incident_id} from {self.source}]"

    pk = property(lambda self: self.id)
    stateful = property(lambda self: self.end_time is not None)
    open = property(lambda self: self.end_time == INFINITY)

    def pp_details_url(self) -> str:
        """Where to read more, as a whole URL."""
        return str(self.details_url)

    def get_level_display(self) -> str:
        """The level in words."""
        return ("Critical", "High", "Moderate", "Low", "Information")[self.level - 1]


COLUMNS = (
    "id",
    "start_time",
    "end_time",
    "source_id",
    "source_incident_id",
    "details_url",
    "description",
    "level",
    "ticket_url",
    "search_text",
    "metadata",
)


class Event(Shown):
    """What happened to an incident."""

    Type = SimpleNamespace(
        INCIDENT_START="STA",
        INCIDENT_END="END",
        INCIDENT_CHANGE="CHI",
        INCIDENT_RESTART="RES",
        CLOSE="CLO",
        REOPEN="REO",
        ACKNOWLEDGE="ACK",
        OTHER="OTH",
        STATELESS="LES",
    )
    shown = property(
        lambda self: f"'{self.get_type_display()}': {self.incident.description}, {self.actor} @ {self.timestamp}"
    )

    def get_type_display(self) -> str:
        """The type in words."""
        return str(TYPES.get(self.type, self.type))


def level_of(severity: str) -> int:
    """Argus's level of a severity."""
    return LEVELS.get(severity, INFORMATION)


def _text(alert: Alert) -> str:
    notes = alert.annotations
    said = notes.get("summary") or notes.get("description") or ""
    return f"{alert.title}: {said}" if said and said != alert.title else alert.title


def incident_of(delivery: Delivery) -> Incident:
    """The incident that a message is about; of several, one that stands for all."""
    message, notification = delivery.message, delivery.message.notification
    alerts = notification.alerts
    alone = alerts[0] if len(alerts) == 1 else None
    now = datetime.now(timezone.utc)
    starts = [alert.started_at for alert in alerts if alert.started_at]
    ends = [alert.ends_at for alert in alerts if alert.ends_at]
    over = message.kind == "resolved" or bool(alerts and all(alert.state == "resolved" for alert in alerts))
    labels = alone.labels if alone else notification.common_labels
    source = Source(
        labels.get("source") or SOURCE, labels.get("source_type") or SOURCE, notification.external_url
    )
    known = alone.incident if alone else notification.group_key or delivery.key
    severities = [alert.severity for alert in alerts] or [message.severity]
    columns = {
        "id": number("incident", known),
        "start_time": min(starts, default=now),
        "end_time": (max(ends, default=now) if over else INFINITY),
        "source_id": source.pk,
        "source_incident_id": known,
        "details_url": urljoin(notification.external_url.rstrip("/") + "/", message.link),
        "description": (_text(alone) if alone else message.title) or message.title,
        "level": min(level_of(severity) for severity in severities),
        "ticket_url": "",
        "search_text": "\n".join(_text(alert) for alert in alerts),
        "metadata": {"incidents": [alert.incident for alert in alerts], "truncated": notification.truncated},
    }
    tags = Rows(Tag(key, value) for key, value in sorted(labels.items()))
    acked = bool(alerts) and all(alert.state == "acknowledged" for alert in alerts)
    return Incident(columns, source=source, tags=tags, deprecated_tags=tags, acked=acked, events=Rows())


def event_of(delivery: Delivery) -> Event:
    """The event that a message tells of."""
    message, notification = delivery.message, delivery.message.notification
    kind = KINDS.get(message.kind, "OTH")
    if kind == "STA" and notification.reason == "new_alerts":
        kind = "CHI"
    at = notification.at or datetime.now(timezone.utc)
    incident = incident_of(delivery)
    by = next((alert.acknowledged_by for alert in notification.alerts if alert.acknowledged_by), None)
    actor = User(by) if kind == "ACK" and by else incident.source.user
    event = Event(
        pk=number("event", delivery.key),
        incident=incident,
        actor=actor,
        timestamp=at,
        received=at,
        type=kind,
        description=message.body or message.title,
    )
    event.id = event.pk
    if kind == "ACK":
        event.ack = SimpleNamespace(pk=event.pk, event=event, expiration=None)
        # a name that some media read by mistake, and expect a time in
        event.acknowledgment = SimpleNamespace(pk=event.pk, event=event, expiration=INFINITY)
    incident.events.append(event)
    return event
