"""A message as Cabot's plugins see it: a service, its checks, and who works on it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from django.contrib.auth.models import User
from django.db import connection, transaction
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


STATE = ("overall_status", "old_overall_status", "nightbell_key", "nightbell_link")
"""What is read again of a service."""
SERVICE_FIELDS = ("name", "url", "nightbell_incidents", *STATE)
CHECK_FIELDS = ("name", "calculated_status", "importance")
"""What deliveries say of services and checks; the other fields are as they are when nobody says anything."""


class Told(NamedTuple):
    """How a service was told of last."""

    overall_status: str
    old_overall_status: str
    nightbell_key: str
    nightbell_link: str
    mark: str = ""
    """Of all that was written to the database; empty for what an earlier process wrote, or is being written."""


class Writing:
    """A service and its checks that are to be in the database."""

    def __init__(self, service: Service, checks: List[StatusCheck]) -> None:
        self.service = service
        self.checks = checks
        self.is_done = False


class Upsert:
    """Rows of a model, by one statement that is made once: what the ORM does for each costs more than all else."""

    def __init__(self, model: Any, names: Sequence[str]) -> None:
        meta, quote = model._meta, connection.ops.quote_name
        given = [meta.get_field(name) for name in names]
        rest = [field for field in meta.concrete_fields if not field.primary_key and field not in given]
        self._fields = [meta.pk, *given]
        blank = model()
        self._rest = [_stored(field, blank) for field in rest]
        columns = [quote(field.column) for field in (*self._fields, *rest)]
        updates = ", ".join(f"{quote(field.column)} = excluded.{quote(field.column)}" for field in given)
        self._statement = (
            f"INSERT INTO {quote(meta.db_table)} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))}) "
            f"ON CONFLICT ({quote(meta.pk.column)}) DO UPDATE SET {updates}"
        )

    def write(self, cursor: Any, rows: Iterable[Any]) -> None:
        """Writes them, in their order."""
        values = [[*(_stored(field, row) for field in self._fields), *self._rest] for row in rows]
        cursor.executemany(self._statement, values)


def _stored(field: Any, row: Any) -> Any:
    return field.get_db_prep_save(getattr(row, field.attname), connection)


class Rows:
    """Services, their checks, and which belong together."""

    def __init__(self) -> None:
        quote = connection.ops.quote_name
        self._services = Upsert(Service, [*SERVICE_FIELDS, "last_alert_sent"])
        self._checks = Upsert(StatusCheck, [*CHECK_FIELDS, "last_run"])
        link = Service.status_checks.through._meta
        table, service, check = (
            quote(name) for name in (link.db_table, *(link.get_field(it).column for it in ("service", "statuscheck")))
        )
        self._unlink = f"DELETE FROM {table} WHERE {service} = %s"
        self._link = f"INSERT OR IGNORE INTO {table} ({service}, {check}) VALUES (%s, %s)"
        columns = ", ".join(quote(Service._meta.get_field(name).column) for name in STATE)
        own = quote(Service._meta.pk.column)
        self._read = f"SELECT {columns} FROM {quote(Service._meta.db_table)} WHERE {own} = %s"

    def last(self, pk: int) -> Optional[Tuple[str, ...]]:
        """`STATE` of a service."""
        with connection.cursor() as cursor:
            row: Optional[Tuple[str, ...]] = cursor.execute(self._read, [pk]).fetchone()
        return row

    def write(self, batch: Sequence[Writing]) -> None:
        """Writes all of them; of two for one service, the later one counts."""
        latest = {one.service.pk: one for one in batch}
        now = timezone.now()
        for one in latest.values():
            one.service.last_alert_sent = now
        links = [(pk, check.pk) for pk, one in latest.items() for check in one.checks]
        with connection.cursor() as cursor:
            self._services.write(cursor, (one.service for one in latest.values()))
            self._checks.write(cursor, (check for one in batch for check in one.checks))
            cursor.executemany(self._unlink, [(pk,) for pk in latest])
            cursor.executemany(self._link, links)


class Services:
    """The services that were told of, in the database and, as they were last, in memory."""

    def __init__(self) -> None:
        self._told: "OrderedDict[int, Told]" = OrderedDict()
        self._lock = threading.Lock()
        """Held while `_told` and `_waiting` are looked at."""
        self._waiting: List[Writing] = []
        self._written = 0
        self._rows = Rows()

    def link(self, pk: int) -> Optional[str]:
        """Where people reach it: a path below that of Nightbell."""
        with self._lock:
            told = self._last(pk)
        return told.nightbell_link if told else None

    def _last(self, pk: int) -> Optional[Told]:
        told = self._told.get(pk)
        if told is None:
            row = self._rows.last(pk)
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
        kept = checks[:MAX_ROWS]
        with self._lock:
            last = self._last(pk)
            service.old_overall_status = _before(delivery, service, last)
            mark = _mark(service, kept)
            is_written = last is not None and last.mark == mark
            told = Told(*(getattr(service, name) for name in STATE), mark if is_written else "")
            self._told[pk] = told
            self._told.move_to_end(pk)
            while len(self._told) > MAX_SERVICES:
                self._told.popitem(last=False)
        if not is_written:
            self._write(Writing(service, kept))
            with self._lock:
                if self._told.get(pk) is told:
                    self._told[pk] = told._replace(mark=mark)
        service._prefetched_objects_cache = {
            "status_checks": filled(StatusCheck, checks),
            "users_to_notify": filled(User, users),
        }
        service.acknowledgement = _acknowledgement(service, notification.alerts, users)
        return service

    def _write(self, writing: Writing) -> None:
        """Writes it, with all that others wait for: who comes first writes for all."""
        with self._lock:
            self._waiting.append(writing)
        with lock:
            if writing.is_done:
                return
            with self._lock:
                batch, self._waiting = self._waiting or [writing], []
            try:
                with transaction.atomic():
                    self._rows.write(batch)
                    if self._written // SWEEP_EVERY != (self._written + len(batch)) // SWEEP_EVERY:
                        sweep()
            except BaseException:
                # the others try for themselves
                with self._lock:
                    for one in batch:
                        self._told.pop(one.service.pk, None)
                raise
            self._written += len(batch)
            for one in batch:
                one.is_done = True


def sweep() -> None:
    """Takes out what was told of longest ago, and checks that belong to no service any more."""
    extra = Service.objects.count() - MAX_SERVICES
    if extra > 0:
        oldest = Service.objects.order_by("last_alert_sent").values_list("pk", flat=True)[:extra]
        Service.objects.filter(pk__in=list(oldest)).delete()
    StatusCheck.objects.filter(service=None, instance=None).delete()


def _mark(service: Service, checks: List[StatusCheck]) -> str:
    """Of all that is written of it."""
    said = [[getattr(service, name) for name in SERVICE_FIELDS]]
    said += [[check.pk, *(getattr(check, name) for name in CHECK_FIELDS)] for check in checks]
    return hashlib.sha256(json.dumps(said, default=str).encode()).hexdigest()


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
