"""The models that plugins of Cabot know: real ones of Django, filled with what a delivery brings.

Imported by Django while it is set up, as `cabot.cabotapp.models` and `cabot.cabotapp.alert` too.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, List, Optional, Tuple

from django.contrib.auth.models import User
from django.db import models
from django.utils import timezone

SHORT_ERROR = 30
"""Characters of a result's `short_error`."""
MAX_RAW_DATA = 5000
"""Characters of a result's `raw_data`."""
_acknowledge: List[Callable[["Service", Any], None]] = []

# one person may have several rows, one for each set of settings that deliveries came with
User._meta.get_field("username")._unique = False


def when_acknowledged(function: Callable[["Service", Any], None]) -> None:
    """What `service.acknowledge_alert(user)` does."""
    _acknowledge[:] = [function]


def filled(model: Any, rows: List[Any]) -> Any:
    """A queryset of rows that are here already: reading it asks no database, narrowing it does."""
    queryset = model.objects.all()
    # the condition is put into words only if it is narrowed, which is rare
    queryset._deferred_filter = (False, (), {"pk__in": [row.pk for row in rows]})
    queryset._result_cache = rows
    queryset._prefetch_done = True
    return queryset


class UserProfile(models.Model):
    """What belongs to a user beside the account."""

    user = models.OneToOneField(User, related_name="profile", on_delete=models.CASCADE)
    mobile_number = models.CharField(max_length=20, blank=True, default="")
    hipchat_alias = models.CharField(max_length=50, blank=True, default="")
    fallback_alert_user = models.BooleanField(default=False)

    class Meta:
        app_label = "cabotapp"

    def __str__(self) -> str:
        return f"User profile: {self.user.username}"

    def user_data(self) -> List[Any]:
        """The rows of plugins about this user."""
        return [row for kind in subclasses(AlertPluginUserData) for row in kind.objects.filter(user=self)]


class AlertPlugin(models.Model):
    """The base of alert plugins: `name`, `author`, `send_alert` and, if there is one, `send_alert_update`."""

    name = ""
    author = ""
    title = models.CharField(max_length=30, unique=True, editable=False)
    enabled = models.BooleanField(default=True)

    class Meta:
        app_label = "cabotapp"

    def __str__(self) -> str:
        return str(self.title or self.name)

    def _send_alert(self, service: Any, users: Any, duty_officers: Any) -> Any:
        return self.send_alert(service, users, duty_officers)  # type: ignore[attr-defined]

    def _send_alert_update(self, service: Any, users: Any, duty_officers: Any) -> Any:
        return self.send_alert_update(service, users, duty_officers)  # type: ignore[attr-defined]


class AlertPluginUserData(models.Model):
    """The base of what a plugin knows of each user: further fields, and a `name`."""

    name = ""
    title = models.CharField(max_length=30, editable=False)
    user = models.ForeignKey(UserProfile, editable=False, on_delete=models.CASCADE)

    class Meta:
        app_label = "cabotapp"
        unique_together = ("title", "user")

    def __str__(self) -> str:
        return str(self.title)

    def is_configured(self) -> bool:
        """Whether there is anything in it."""
        return True

    def serialize(self) -> Dict[str, Any]:
        """What the API of Cabot shows of it."""
        return {}


def subclasses(base: Any) -> List[Any]:
    """All classes below one that are not abstract, in the order of their definition."""
    found: List[Any] = []
    for kind in base.__subclasses__():
        abstract = getattr(getattr(kind, "_meta", None), "abstract", False)
        found += ([] if abstract or kind in found else [kind]) + subclasses(kind)
    return list(dict.fromkeys(found))


class JenkinsConfig(models.Model):
    """A server of Jenkins."""

    name = models.CharField(max_length=30)
    jenkins_api = models.CharField(max_length=2000, default="")
    jenkins_user = models.CharField(max_length=2000, default="")
    jenkins_pass = models.CharField(max_length=2000, default="")

    class Meta:
        app_label = "cabotapp"

    def __str__(self) -> str:
        return str(self.name)


class CheckGroup(models.Model):
    """What services and instances have in common."""

    PASSING_STATUS = "PASSING"
    WARNING_STATUS = "WARNING"
    ERROR_STATUS = "ERROR"
    CRITICAL_STATUS = "CRITICAL"
    CALCULATED_PASSING_STATUS = "passing"
    CALCULATED_INTERMITTENT_STATUS = "intermittent"
    CALCULATED_FAILING_STATUS = "failing"
    STATUSES = tuple((each, each) for each in (CRITICAL_STATUS, ERROR_STATUS, PASSING_STATUS, WARNING_STATUS))
    IMPORTANCES = tuple((each, each.capitalize()) for each in (WARNING_STATUS, ERROR_STATUS, CRITICAL_STATUS))

    name = models.TextField()
    users_to_notify = models.ManyToManyField(User, blank=True)
    alerts_enabled = models.BooleanField(default=True)
    status_checks = models.ManyToManyField("StatusCheck", blank=True)
    last_alert_sent = models.DateTimeField(null=True, blank=True)
    alerts = models.ManyToManyField(AlertPlugin, blank=True)
    email_alert = models.BooleanField(default=False)
    hipchat_alert = models.BooleanField(default=False)
    sms_alert = models.BooleanField(default=False)
    telephone_alert = models.BooleanField(default=False)
    overall_status = models.TextField(default=PASSING_STATUS)
    old_overall_status = models.TextField(default=PASSING_STATUS)
    hackpad_id = models.TextField(null=True, blank=True)
    runbook_link = models.TextField(blank=True, default="")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return str(self.name)

    def _checks(self, passing: Optional[bool]) -> Any:
        rows = [check for check in self.status_checks.all() if check.active]
        if passing is not None:
            rows = [
                row for row in rows if (row.calculated_status == self.CALCULATED_PASSING_STATUS) is passing
            ]
        return filled(StatusCheck, rows)

    def all_failing_checks(self) -> Any:
        """The checks that do not pass."""
        return self._checks(False)

    def all_passing_checks(self) -> Any:
        """The checks that pass."""
        return self._checks(True)

    def active_status_checks(self) -> Any:
        """The checks that are looked at: all."""
        return self._checks(None)

    def inactive_status_checks(self) -> Any:
        """None."""
        return filled(StatusCheck, [])

    active_checks_count = property(lambda self: len(self._checks(None)))
    failing_checks_count = property(lambda self: len(self._checks(False)))


class Instance(CheckGroup):
    """A machine."""

    address = models.TextField(blank=True, default="")

    class Meta:
        app_label = "cabotapp"


class Service(CheckGroup):
    """What Nightbell tells of together: the group of a notification."""

    url = models.TextField(blank=True, default="")
    instances = models.ManyToManyField(Instance, blank=True)
    is_public = models.BooleanField(default=False)
    nightbell_incidents = models.TextField(default="[]")
    nightbell_link = models.TextField(default="")
    nightbell_key = models.TextField(default="")

    class Meta:
        app_label = "cabotapp"

    acknowledgement: Optional["AlertAcknowledgement"] = None

    @property
    def incidents(self) -> List[str]:
        """The ids of its open incidents."""
        return list(json.loads(self.nightbell_incidents))

    def unexpired_acknowledgement(self) -> Optional["AlertAcknowledgement"]:
        """Who works on it, if somebody does."""
        return self.acknowledgement

    unexpired_acknowledgements = unexpired_acknowledgement

    def acknowledge_alert(self, user: Any) -> None:
        """Acknowledges its open incidents in Nightbell."""
        for function in _acknowledge:
            function(self, user)

    def get_status_message(self, include_checks_failing: bool = False) -> str:
        """A sentence about its status."""
        if self.overall_status == self.PASSING_STATUS:
            return f"Service {self.name} is back to normal"
        said = f"Service {self.name} reporting {self.overall_status} status"
        failing = ", ".join(check.name for check in self.all_failing_checks())
        return f"{said}. Checks failing: {failing}" if include_checks_failing and failing else said


class AlertAcknowledgement(models.Model):
    """Somebody works on it."""

    time = models.DateTimeField(default=timezone.now)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    service = models.ForeignKey(Service, on_delete=models.CASCADE)
    cancelled_time = models.DateTimeField(null=True, blank=True)
    cancelled_user = models.ForeignKey(
        User, null=True, blank=True, related_name="+", on_delete=models.CASCADE
    )

    class Meta:
        app_label = "cabotapp"


class StatusCheck(models.Model):
    """A check: for alert plugins an incident of Nightbell, for check plugins the base of theirs."""

    CHECK_TYPES = tuple((each, each) for each in (">", ">=", "<", "<=", "=="))
    check_name = ""
    icon_class = "glyphicon-ok"
    check_category = "Alert"

    name = models.TextField()
    active = models.BooleanField(default=True)
    importance = models.CharField(
        max_length=30, choices=CheckGroup.IMPORTANCES, default=CheckGroup.ERROR_STATUS
    )
    frequency = models.IntegerField(default=5)
    debounce = models.IntegerField(default=0, null=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL)
    calculated_status = models.CharField(
        max_length=50, default=CheckGroup.CALCULATED_PASSING_STATUS, blank=True
    )
    last_run = models.DateTimeField(null=True)
    cached_health = models.TextField(editable=False, null=True)
    metric = models.TextField(null=True)
    check_type = models.CharField(choices=CHECK_TYPES, max_length=100, null=True)
    value = models.TextField(null=True)
    expected_num_hosts = models.IntegerField(default=0, null=True)
    allowed_num_failures = models.IntegerField(default=0, null=True)
    endpoint = models.TextField(null=True)
    username = models.TextField(blank=True, null=True)
    password = models.TextField(blank=True, null=True)
    text_match = models.TextField(blank=True, null=True)
    status_code = models.TextField(default="200", null=True)
    timeout = models.IntegerField(default=30, null=True)
    verify_ssl_certificate = models.BooleanField(default=True)
    max_queued_build_time = models.IntegerField(null=True, blank=True)
    jenkins_config = models.ForeignKey(JenkinsConfig, null=True, on_delete=models.CASCADE)

    class Meta:
        app_label = "cabotapp"

    result: Optional["StatusCheckResult"] = None

    def __str__(self) -> str:
        return str(self.name)

    def last_result(self) -> Optional["StatusCheckResult"]:
        """What was found last."""
        return self.result or (self.statuscheckresult_set.order_by("-time").first() if self.pk else None)

    def recent_results(self) -> Any:
        """What was found last, as a list."""
        last = self.last_result()
        return [last] if last else []

    def _run(self) -> "StatusCheckResult":
        raise NotImplementedError(f"{type(self).__name__} has no _run")


class StatusCheckResult(models.Model):
    """What a check found."""

    status_check = models.ForeignKey(StatusCheck, on_delete=models.CASCADE)
    time = models.DateTimeField(null=False, default=timezone.now)
    time_complete = models.DateTimeField(null=True)
    raw_data = models.TextField(null=True)
    succeeded = models.BooleanField(default=False)
    error = models.TextField(null=True)
    job_number = models.PositiveIntegerField(null=True)
    consecutive_failures = models.PositiveIntegerField(null=True)

    class Meta:
        app_label = "cabotapp"

    def __str__(self) -> str:
        return f"{self.status}: {self.short_error}".rstrip(": ")

    @property
    def status(self) -> str:
        """`succeeded` or `failed`."""
        return "succeeded" if self.succeeded else "failed"

    @property
    def took(self) -> Optional[float]:
        """Milliseconds."""
        return (self.time_complete - self.time).total_seconds() * 1000 if self.time_complete else None

    @property
    def short_error(self) -> str:
        """The beginning of the error."""
        error = self.error or ""
        return error if len(error) <= SHORT_ERROR else error[: SHORT_ERROR - 3] + "..."

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Saves it with no more of the data than is kept."""
        self.raw_data = self.raw_data[:MAX_RAW_DATA] if isinstance(self.raw_data, str) else self.raw_data
        super().save(*args, **kwargs)


class Shift(models.Model):
    """Somebody's time on duty."""

    start = models.DateTimeField()
    end = models.DateTimeField()
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    uid = models.TextField()
    last_modified = models.DateTimeField(null=True)
    deleted = models.BooleanField(default=False)

    class Meta:
        app_label = "cabotapp"


def own_fields(kind: Any, base: Any) -> Tuple[Any, ...]:
    """The fields that a class adds to a base, without the link to it."""
    theirs = {field.name for field in base._meta.get_fields()}
    return tuple(
        field
        for field in kind._meta.concrete_fields
        if field.name not in theirs and field.editable and not field.auto_created and not field.primary_key
    )
