"""A message as Cabot's plugins see it: a service, its checks, and who works on it."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from ...records import Alert, Delivery
from .models import AlertAcknowledgement, CheckGroup, Service, StatusCheck, StatusCheckResult, filled
from .people import lock, number

MAX_ROWS = 500
"""Checks of one service that are written to the database; a plugin is given all of them."""
MAX_SERVICES = 20_000
"""Services that are kept, for requests that come later; the ones that were told of longest ago go."""
SWEEP_EVERY = 1_000
"""Writings of services between two looks for what is to go."""
SEVERITIES = {"critical": CheckGroup.CRITICAL_STATUS, "error": CheckGroup.ERROR_STATUS}
"""Statuses of severities; all others are warnings."""
ORDER = (
    CheckGroup.PASSING_STATUS,
    CheckGroup.WARNING_STATUS,
    CheckGroup.ERROR_STATUS,
    CheckGroup.CRITICAL_STATUS,
)
DESCRIPTIONS = ("summary", "description", "message")
"""Annotations that say what is wrong, the best one first."""


def status_of(severity: str) -> str:
    """Cabot's status for a severity."""
    return SEVERITIES.get(severity, CheckGroup.WARNING_STATUS)


class Told(NamedTuple):
    """How a service was told of last."""

    overall_status: str
    old_overall_status: str
    nightbell_key: str
    nightbell_link: str
    mark: str = ""
    """Of all that was written to the database; empty for what an earlier process wrote."""
    checks: Tuple[int, ...] = ()


class Services:
    """The services that were told of, in the database and, as they were last, in memory."""

    def __init__(self) -> None:
        self._told: "OrderedDict[int, Told]" = OrderedDict()
        self._written = 0

    def link(self, pk: int) -> Optional[str]:
        """Where people reach it: a path below that of Nightbell."""
        told = self._last(pk)
        return told.nightbell_link if told else None

    def _last(self, pk: int) -> Optional[Told]:
        told = self._told.get(pk)
        if told is None:
            row = Service.objects.filter(pk=pk).values_list(*Told._fields[:4]).first()
            if row is not None:
                told = self._told[pk] = Told(*row)
        return told

    def of(self, delivery: Delivery, users: List[User]) -> Service:
        """The service that a delivery is about. It has one number for each destination and group, for ever."""
        notification = delivery.message.notification
        pk = number("service", delivery.destination, notification.group_key or delivery.message.title)
        checks = [_check(alert) for alert in notification.alerts] or _the_message(delivery)
        service = Service(pk=pk, name=_name(delivery), url=delivery.message.link)
        open_ones = [each for each in notification.alerts if each.state != "resolved"]
        service.nightbell_incidents = json.dumps([each.incident for each in open_ones][:MAX_ROWS])
        service.nightbell_link = _below(delivery.message.link, notification.external_url)
        service.nightbell_key = delivery.key
        service.overall_status = _overall(delivery, checks)
        with lock:
            last = self._last(pk)
            service.old_overall_status = _before(delivery, service, last)
            self._told[pk] = self._save(service, checks, last)
            self._told.move_to_end(pk)
            while len(self._told) > MAX_SERVICES:
                self._told.popitem(last=False)
        service._prefetched_objects_cache = {
            "status_checks": filled(StatusCheck, checks),
            "users_to_notify": filled(User, users),
        }
        service.acknowledgement = _acknowledgement(service, notification.alerts, users)
        return service

    def _save(self, service: Service, checks: List[StatusCheck], last: Optional[Told]) -> Told:
        kept = checks[:MAX_ROWS]
        fields = [field for field in Service._meta.concrete_fields if not field.primary_key]
        said = [[getattr(service, field.attname) for field in fields]]
        said += [[check.pk, check.name, check.calculated_status, check.importance] for check in kept]
        mark = hashlib.sha256(json.dumps(said, default=str).encode()).hexdigest()
        if last is not None and last.mark == mark:
            return last
        told = Told(
            *(getattr(service, name) for name in Told._fields[:4]), mark, tuple(one.pk for one in kept)
        )
        service.last_alert_sent = timezone.now()
        with transaction.atomic():
            _upsert(Service, [service], [field.name for field in fields])
            _upsert(StatusCheck, kept, ["name", "calculated_status", "importance"])
            if last is None or last.checks != told.checks:
                service.status_checks.set(kept)
            if self._written % SWEEP_EVERY == 0:
                sweep()
        self._written += 1
        return told


def sweep() -> None:
    """Takes out what was told of longest ago, and checks that belong to no service any more."""
    extra = Service.objects.count() - MAX_SERVICES
    if extra > 0:
        oldest = Service.objects.order_by("last_alert_sent").values_list("pk", flat=True)[:extra]
        Service.objects.filter(pk__in=list(oldest)).delete()
    StatusCheck.objects.filter(service=None, instance=None).delete()


def _upsert(model: Any, rows: List[Any], fields: List[str]) -> None:
    if rows:
        model.objects.bulk_create(rows, update_conflicts=True, unique_fields=["pk"], update_fields=fields)


def _name(delivery: Delivery) -> str:
    notification = delivery.message.notification
    labels = {**notification.common_labels, **notification.group_labels}
    named = delivery.settings.get("service") or labels.get("service") or labels.get("alertname")
    return str(named or delivery.message.title)


def _check(alert: Alert) -> StatusCheck:
    passing = alert.state == "resolved"
    check = StatusCheck(
        pk=number("check", alert.incident),
        name=alert.title or alert.labels.get("alertname", ""),
        importance=status_of(alert.severity),
        calculated_status=(
            CheckGroup.CALCULATED_PASSING_STATUS if passing else CheckGroup.CALCULATED_FAILING_STATUS
        ),
        last_run=alert.started_at,
    )
    said = next((alert.annotations[name] for name in DESCRIPTIONS if alert.annotations.get(name)), "")
    check.result = StatusCheckResult(
        status_check=check,
        time=alert.started_at or timezone.now(),
        time_complete=alert.started_at,
        succeeded=passing,
        error="" if passing else said,
    )
    return check


def _the_message(delivery: Delivery) -> List[StatusCheck]:
    """A message without incidents, such as a test, is one check."""
    message = delivery.message
    severity = message.severity if message.severity in ("warning", "error", "critical") else "error"
    fields: Dict[str, Any] = {"incident": delivery.key, "title": message.title, "severity": severity}
    state = "resolved" if message.kind == "resolved" else "open"
    return [_check(Alert(state=state, annotations={"summary": message.body}, **fields))]


def _worst(checks: List[StatusCheck]) -> str:
    return max((check.importance for check in checks), key=ORDER.index, default=CheckGroup.PASSING_STATUS)


def _overall(delivery: Delivery, checks: List[StatusCheck]) -> str:
    if delivery.message.kind == "resolved":
        return CheckGroup.PASSING_STATUS
    return _worst(
        [check for check in checks if check.calculated_status != CheckGroup.CALCULATED_PASSING_STATUS]
    )


def _before(delivery: Delivery, service: Service, before: Optional[Told]) -> str:
    """Its status before: as it was told last. A delivery that is tried again sees what it saw the first time."""
    kind = delivery.message.kind
    if before is not None and before.nightbell_key == delivery.key:
        return before.old_overall_status
    if before is not None and not (kind == "resolved" and before.overall_status == CheckGroup.PASSING_STATUS):
        return before.overall_status
    if kind in ("repeated", "acknowledged"):
        return str(service.overall_status)
    if kind == "resolved":
        alerts = delivery.message.notification.alerts
        return _worst([_check(alert) for alert in alerts]) if alerts else status_of(delivery.message.severity)
    return CheckGroup.PASSING_STATUS


def _below(link: str, external: str) -> str:
    """The part of a link that follows the address of Nightbell."""
    external = external.rstrip("/") + "/"
    return link[len(external) :] if link.startswith(external) else ""


def _acknowledgement(
    service: Service, alerts: List[Alert], users: List[User]
) -> Optional[AlertAcknowledgement]:
    by = next((alert.acknowledged_by for alert in alerts if alert.acknowledged_by), None)
    if by is None:
        return None
    for user in users:
        if by in (user.username, user.email):
            break
    else:
        user = User(pk=number("by", by), username=by, email=by)
    return AlertAcknowledgement(service=service, user=user, time=timezone.now())
