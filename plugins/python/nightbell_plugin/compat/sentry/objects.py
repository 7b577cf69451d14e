"""What a Sentry plugin is handed: event, group, project and so on, made from one alert of a delivery.

What their documentation names is here; anything else raises with its name.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import OrderedDict
from datetime import datetime, timezone
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple
from urllib.parse import urlencode, urlsplit

from ...records import Alert, Notification
from ..calls import NotProvided

LEVELS = {"info": 20, "notice": 20, "warning": 30, "error": 40, "critical": 50}
LEVEL_NUMBERS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "fatal": 50}
"""Levels of errors, which say more than the severity of their incident."""
LEVEL_NAMES = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "fatal"}
UNRESOLVED, RESOLVED, IGNORED = 0, 1, 2
CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


class Encoded(bytes):
    """Bytes that still read as text when a plugin of the days of Python 2 puts them into one."""

    def __str__(self) -> str:
        return self.decode("utf-8", "replace")

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class Text(str):
    """Text that may be encoded and formatted as in Python 2."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """As `str.encode`, in bytes that read as text."""
        return Encoded(super().encode(encoding, errors))


def number_of(id_: str) -> int:
    """The whole number that an id of ours is the text of; Sentry's ids are numbers."""
    try:
        number = 0
        for letter in id_.lower():
            number = number * 32 + CROCKFORD.index(letter)
        return number
    except ValueError:
        return zlib.crc32(id_.encode())


class Thing:
    """Has what it was given, and says so when it is asked for more."""

    _name = "object"

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotProvided(f"Nightbell has no {self._name}.{name} to give to a Sentry plugin")

    def __repr__(self) -> str:
        return f"<{self._name} {self.__dict__.get('id', '')}>"


class Flags(Thing):
    """Switches, all off."""

    _name = "flags"

    def __getattr__(self, name: str) -> bool:
        if name.startswith("_"):
            raise AttributeError(name)
        return False


class Organization(Thing):
    """There is one: the hub."""

    _name = "organization"

    def __init__(self) -> None:
        super().__init__(id=1, pk=1, name=Text("Nightbell"), slug=Text("nightbell"), flags=Flags(), status=0)

    def get_option(self, key: str, default: Any = None, **_: Any) -> Any:
        """There are no options of the organization."""
        return default


class Project(Thing):
    """A project; its options are the settings of the destination, with its own over them."""

    _name = "project"

    def __init__(self, name: str, options: Optional[Dict[str, Any]] = None, url: str = "") -> None:
        slug = "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split()) or "project"
        number = zlib.crc32(name.encode()) & 0x7FFFFFFF
        super().__init__(
            id=number,
            pk=number,
            name=Text(name),
            slug=Text(slug),
            organization=Organization(),
            organization_id=1,
            platform=None,
            public=False,
            status=0,
            flags=Flags(),
            options=options if options is not None else {},
            _url=url,
        )

    def get_full_name(self) -> str:
        """Its name."""
        return Text(self.name)

    def get_absolute_url(self, params: Optional[Mapping[str, Any]] = None) -> str:
        """Where the hub's incidents are."""
        return with_params(f"{self._url}/incidents", params)

    def get_option(self, key: str, default: Any = None, validate: Any = None) -> Any:
        """An option, `<conf_key>:<name>` or a plain name."""
        value = self.options.get(key.rpartition(":")[2])
        return default if value is None else value

    def update_option(self, key: str, value: Any) -> bool:
        """Sets an option for as long as the plugin runs."""
        self.options[key.rpartition(":")[2]] = value
        return True

    def delete_option(self, key: str) -> None:
        """Takes an option away."""
        self.options.pop(key.rpartition(":")[2], None)

    def is_internal_project(self) -> bool:
        """Never."""
        return False

    def get_tags(self, *_: Any, **__: Any) -> Tuple[str, ...]:
        """None are kept for a project."""
        return ()


def with_params(url: str, params: Optional[Mapping[str, Any]]) -> str:
    """The address with these added to its query."""
    if not params:
        return url
    return url + ("&" if urlsplit(url).query else "?") + urlencode(params)


class Rule(Thing):
    """What made the notification go out: a route of ours."""

    _name = "rule"


class Interface(Thing):
    """A part of an event."""

    _name = "interface"

    def to_string(self, event: Any = None, is_public: bool = False, **_: Any) -> str:
        """In words."""
        return Text(self.formatted or self.message)

    def get_title(self) -> str:
        """Its heading."""
        return "Message"

    def to_json(self) -> Dict[str, Any]:
        """As Sentry keeps it."""
        return {"message": self.message, "formatted": self.formatted, "params": self.params}

    get_api_context = to_json

    def get_hash(self) -> List[str]:
        """What it is grouped by."""
        return [str(self.message)]


class ExceptionInterface(Interface):
    """The exception of an error: its class, its words, and its stack as text."""

    _name = "exception"

    def to_string(self, event: Any = None, is_public: bool = False, **_: Any) -> str:
        """Its stack, or its words where there is none."""
        return Text(self.stack or self.message)

    def get_title(self) -> str:
        """Its heading."""
        return "Exception"

    def to_json(self) -> Dict[str, Any]:
        """As Sentry keeps it."""
        return {"values": [{"type": self.type, "value": self.value}]}

    get_api_context = to_json


class Names(OrderedDict):  # type: ignore[type-arg]
    """Names, each also readable as of the years when they were `sentry.interfaces.…`."""

    OLD = {
        "sentry.interfaces.Message": "logentry",
        "sentry.interfaces.message.Message": "logentry",
        "sentry.interfaces.Exception": "exception",
        "sentry.interfaces.exception.Exception": "exception",
    }

    def __missing__(self, key: str) -> Any:
        if key in self.OLD and self.OLD[key] in self:
            return self[self.OLD[key]]
        raise KeyError(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value, or the default."""
        return self[key] if key in self else default

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or super().__contains__(self.OLD.get(str(key), ""))


class Common(Thing):
    """What event and group have in common."""

    def error(self) -> str:
        """What went wrong, in one line."""
        return Text(self.title)

    def message_top(self) -> str:
        """The first line of the message."""
        return Text(self.title)

    def get_event_type(self) -> str:
        """`error` for an exception, `default` for anything else."""
        return "error" if "type" in self.metadata else "default"

    def get_event_metadata(self) -> Dict[str, Any]:
        """What the title is made of."""
        return dict(self.metadata)

    def has_two_part_message(self) -> bool:
        """Whether there is more than a title."""
        return "\n" in self.message or len(self.message) > 100

    def get_tags(self, *_: Any, **__: Any) -> List[Tuple[str, str]]:
        """Pairs of key and value."""
        return list(self.tags)


class Group(Common):
    """An incident, as Sentry's plugins know an issue."""

    _name = "group"

    def get_absolute_url(self, params: Optional[Mapping[str, Any]] = None, *_: Any, **__: Any) -> str:
        """Where people read more."""
        return Text(with_params(self._url, params))

    def get_level_display(self) -> str:
        """The level as a word."""
        return LEVEL_NAMES[self.level]

    def get_status(self) -> int:
        """0 unresolved, 1 resolved, 2 ignored."""
        return int(self.status)

    def is_resolved(self) -> bool:
        """Whether it is over."""
        return bool(self.status == RESOLVED)

    def is_unresolved(self) -> bool:
        """Whether it goes on."""
        return bool(self.status == UNRESOLVED)

    def is_ignored(self) -> bool:
        """Never: what is silenced is not told of."""
        return False

    is_muted = is_ignored

    def is_over_resolve_age(self) -> bool:
        """Never."""
        return False

    def get_score(self) -> int:
        """Its weight in a list."""
        return int(self.score)

    def count_users_seen(self) -> int:
        """How many users it hit."""
        return int(self.users_seen)

    def get_email_subject(self) -> str:
        """The subject of a mail about it."""
        return Text(f"{self.project.name}: {self.title}")

    def get_latest_event(self) -> Any:
        """The event of this notification."""
        return self._event

    get_oldest_event = get_latest_event

    def get_unique_tags(self, key: str, **_: Any) -> List[str]:
        """The values of a tag."""
        return [value for name, value in self.tags if name == key]

    def get_first_release(self) -> Optional[str]:
        """The release that it was first seen in."""
        return self._event.get_tag("release")  # type: ignore[no-any-return]

    get_last_release = get_first_release

    def get_assignee(self) -> Optional[str]:
        """Who took it."""
        return self.assignee  # type: ignore[no-any-return]


class Event(Common):
    """What happened last in a group."""

    _name = "event"

    def get_tag(self, key: str, *_: Any) -> Optional[str]:
        """The value of a tag, `release` or `sentry:release`."""
        wanted = key[len("sentry:") :] if key.startswith("sentry:") else key
        return next((value for name, value in self.tags if name == wanted), None)

    def get_legacy_message(self) -> str:
        """The message."""
        return Text(self.message)

    def get_level_display(self) -> str:
        """The level as a word."""
        return str(self.group.get_level_display())

    def get_interfaces(self) -> Mapping[str, Any]:
        """Its parts."""
        return self.interfaces  # type: ignore[no-any-return]

    def get_interface(self, name: str) -> Any:
        """One of its parts."""
        return self.interfaces.get(name)

    def get_environment(self) -> Any:
        """The environment, which has a name."""
        return Thing(name=self.environment or "")

    def get_hashes(self) -> List[str]:
        """What it is grouped by."""
        return [self.checksum]

    def as_dict(self) -> Dict[str, Any]:
        """Its data."""
        return dict(self.data)

    def get_absolute_url(self, params: Optional[Mapping[str, Any]] = None) -> str:
        """Where people read more."""
        return str(self.group.get_absolute_url(params))

    def __iter__(self) -> Iterator[Any]:
        raise NotProvided("an event of Sentry is not a list")


def project_of(alert: Alert, notification: Notification, options: Dict[str, Any]) -> Project:
    """The project that an alert is about, by its labels."""
    return Project(alert.project or "nightbell", options, notification.external_url)


def event_of(alert: Alert, notification: Notification, options: Dict[str, Any], key: str = "") -> Event:
    """The event of an alert, with its group and project."""
    project = project_of(alert, notification, options)
    labels, notes = alert.labels, alert.annotations
    level = LEVEL_NUMBERS.get(labels.get("level", ""), LEVELS.get(alert.severity, 40))
    title = Text(alert.title or labels.get("alertname", "") or "<unlabeled message>")
    message = Text(notes.get("description") or notes.get("message") or title)
    culprit = Text(notes.get("culprit") or labels.get("culprit") or labels.get("instance") or "")
    metadata: Dict[str, Any] = {"title": title}
    if notes.get("event_id") and labels.get("alertname") != "Message":
        name, _, said = title.partition(": ")
        metadata = {"type": name, "value": said, "filename": notes.get("location", "")}
    users = str(notes.get("users_seen") or 0)
    seen = str(notes.get("times_seen") or (alert.raw.get("flapping") or {}).get("times") or 1)
    url = f"{notification.external_url}/incidents/{alert.incident}"
    when = alert.started_at or notification.at or datetime.now(timezone.utc)
    tags = [("level", Text(LEVEL_NAMES[level]))]
    tags += [(Text(name), Text(value)) for name, value in sorted(labels.items()) if name != "level"]
    checksum = hashlib.md5(alert.incident.encode()).hexdigest()
    shared: Dict[str, Any] = {
        "title": title,
        "message": message,
        "real_message": message,
        "message_short": Text(title[:100]),
        "culprit": culprit,
        "logger": Text(labels.get("logger", "")),
        "platform": labels.get("platform", "other"),
        "project": project,
        "project_id": project.id,
        "organization": project.organization,
        "tags": tags,
        "metadata": metadata,
        "checksum": checksum,
        "num_comments": 0,
    }
    number = number_of(alert.incident)
    resolved = alert.state == "resolved"
    group = Group(
        **shared,
        id=number,
        pk=number,
        level=level,
        times_seen=int(seen) if seen.isdigit() else 1,
        first_seen=when,
        last_seen=notification.at or when,
        active_at=when,
        resolved_at=alert.ends_at if resolved else None,
        status=RESOLVED if resolved else UNRESOLVED,
        is_public=False,
        score=0,
        users_seen=int(users) if users.isdigit() else 0,
        short_id=alert.incident,
        qualified_short_id=f"{project.slug.upper()}-{alert.incident.upper()}",
        first_release=None,
        assignee=alert.acknowledged_by,
        data={},
        _url=url,
    )
    interface = Interface(message=message, formatted=message, params=())
    event_id = notes.get("event_id") or hashlib.md5(f"{key}/{alert.incident}".encode()).hexdigest()
    interfaces = Names(logentry=interface)
    if "type" in metadata:
        interfaces["exception"] = ExceptionInterface(
            type=metadata["type"], value=metadata["value"], message=message, stack=notes.get("stack", "")
        )
    data = Names(
        event_id=event_id,
        logentry=interface.to_json(),
        message=message,
        level=level,
        platform=shared["platform"],
        tags=[list(pair) for pair in tags],
        type="error" if "type" in metadata else "default",
        metadata=metadata,
        timestamp=when.timestamp(),
        extra=dict(notes),
    )
    if "exception" in interfaces:
        data["exception"] = interfaces["exception"].to_json()
    event = Event(
        **shared,
        id=event_id,
        pk=event_id,
        event_id=event_id,
        group=group,
        group_id=number,
        level=level,
        datetime=when,
        timestamp=when,
        transaction=culprit,
        location=None,
        site=None,
        server_name=labels.get("server_name") or labels.get("instance") or "",
        version=labels.get("release"),
        release=labels.get("release"),
        dist=None,
        environment=labels.get("environment"),
        user=None,
        ip_address=None,
        url=alert.link,
        interfaces=interfaces,
        data=data,
        size=0,
        _url=url,
    )
    group.__dict__["_event"] = event
    group.__dict__["event_set"] = [event]
    return event
