"""LUNA's events and monitoring points, made from what the hub tells."""

from __future__ import annotations

import time
import uuid
from typing import Any, Dict, List, Optional

from ...records import Event as HubEvent

NAMES = uuid.UUID("6f1d7a52-3a0b-5f0e-9d55-1b6f0c5f2a10")
"""From which ids are made that LUNA has and the hub has not: the same for the same name."""
ABSENT = (
    "track_id",
    "stream_id",
    "location",
    "face",
    "face_attributes",
    "body_attributes",
    "detections",
    "matches",
    "attach_result",
    "top_match",
)
"""What only pictures have."""


def id_of(name: str) -> str:
    """A UUID for a name."""
    return str(uuid.uuid5(NAMES, name))


ACCOUNT = id_of("account")


def request_id(name: str) -> str:
    """In LUNA's form: seconds, a comma, a UUID."""
    return f"{int(time.time()):010d},{id_of(name)}"


class Event:
    """Something that came in. `asDict` has LUNA's keys, and the hub's own object under `meta`."""

    def __init__(self, fields: Dict[str, Any]) -> None:
        self._fields = fields
        self.eventId = fields.get("event_id")
        self.createTime = fields.get("create_time")
        self.source = fields.get("source")
        self.tags = fields.get("tags", [])
        self.userData = fields.get("user_data")
        self.externalId = fields.get("external_id")
        self.meta = fields.get("meta")

    def asDict(self) -> Dict[str, Any]:
        """All of it, ready for JSON."""
        return dict(self._fields)


class RawEvent:
    """An event as a client sent it."""

    def __init__(self, fields: Dict[str, Any]) -> None:
        self._fields = fields

    def asHandlerEventDict(self) -> Dict[str, Any]:
        """All of it, ready for JSON."""
        return dict(self._fields)


def event_of(told: HubEvent) -> Event:
    """An event of the hub in LUNA's words."""
    data = told.data
    at = str(told.raw.get("at") or "")
    labels = data.get("labels") if isinstance(data.get("labels"), dict) else {}
    fields: Dict[str, Any] = {
        "event_id": id_of(told.id),
        "handler_id": handler_of(told),
        "account_id": ACCOUNT,
        "create_time": at,
        "event_create_time": str(data.get("started_at") or at),
        "event_end_time": str(data.get("ends_at") or at),
        "source": str(data.get("source") or ""),
        "external_id": str(data.get("key") or told.id),
        "user_data": str(data.get("title") or ""),
        "url": data.get("link") or None,
        "tags": [f"{name}={value}" for name, value in sorted((labels or {}).items())],
        "meta": data,
    }
    fields.update((name, None) for name in ABSENT)
    return Event(fields)


def handler_of(told: HubEvent) -> str:
    """The id of what took it in: of its source."""
    return id_of(f"handler {told.data.get('source') or ''}")


class BaseMonitoringPoint:
    """A measurement."""

    series = ""

    def __init__(self, eventTime: Optional[float] = None, tags: Any = None, fields: Any = None) -> None:
        self.eventTime = time.time() if eventTime is None else eventTime
        self.tags: Dict[str, Any] = dict(tags or {})
        self.fields: Dict[str, Any] = dict(fields or {})


class BaseRequestMonitoringPoint(BaseMonitoringPoint):
    """A measurement of a request."""

    series = "requests"

    def __init__(
        self, told: Optional[HubEvent] = None, *, requestId: str = "", service: str = "nightbell", **more: Any
    ) -> None:
        data = told.data if told is not None else more
        method = str(data.get("method") or "GET")
        self.service = service
        self.requestId = requestId
        self.route = f"{method}:{data.get('route') or data.get('path') or '/'}"
        self.statusCode = int(data.get("status") or 0)
        self.executionTime = float(data.get("duration_ms") or 0) / 1000
        self.additionalTags: Dict[str, Any] = {}
        self.additionalFields: Dict[str, Any] = {}
        tags = {"service": service, "route": self.route, "status_code": self.statusCode}
        fields = {"request_id": requestId, "execution_time": self.executionTime}
        at = told.at.timestamp() if told is not None and told.at is not None else None
        super().__init__(at, tags, fields)


class RequestMonitoringPoint(BaseRequestMonitoringPoint):
    """A request that was answered."""


class RequestErrorMonitoringPoint(BaseRequestMonitoringPoint):
    """A request that was answered with an error."""

    series = "errors"

    def __init__(self, told: Optional[HubEvent] = None, **more: Any) -> None:
        super().__init__(told, **more)
        self.errorCode = self.statusCode
        self.tags["error_code"] = self.errorCode
        self.fields.pop("execution_time", None)


class CustomMonitoringPoint(BaseMonitoringPoint):
    """A measurement of a plugin's own."""

    def __init__(self, pointTags: Any = None, pointFields: Any = None) -> None:
        super().__init__(None, pointTags, pointFields)


def points_of(told: HubEvent) -> List[BaseRequestMonitoringPoint]:
    """The points of a request that the hub has answered."""
    id_ = request_id(told.id)
    points: List[BaseRequestMonitoringPoint] = [RequestMonitoringPoint(told, requestId=id_)]
    if points[0].statusCode >= 400:
        points.append(RequestErrorMonitoringPoint(told, requestId=id_))
    return points
