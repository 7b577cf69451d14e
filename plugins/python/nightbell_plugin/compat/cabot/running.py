"""Cabot's plugins as one of ours; imported when Django is set up."""

from __future__ import annotations

import logging
import os
import re
from typing import Any, Dict, Mapping, Sequence
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings as django_settings

from ...outcomes import Check, Misconfigured, Outcome, Response, Skipped
from ...plugin import Plugin
from ...records import Delivery, Notification, Request
from .. import djangos, schemas
from ..calls import call
from ..watch import watched
from . import NAMES, plain, web
from .models import AlertPlugin, Service, StatusCheck, StatusCheckResult, own_fields, subclasses
from .models import when_acknowledged
from .people import People, attribute_of
from .service import Services

MAX_PEOPLE = 1_000
"""People in the settings of one destination."""
ADDRESS = ("WWW_HTTP_HOST", "WWW_SCHEME")
"""Settings that say where links lead."""
RESULTS = {"WARNING": "warning"}
"""What a failed check of an importance is; all others are failing."""
logger = logging.getLogger(__name__)


def kind_of(name: str) -> str:
    """The word for a class in the configuration."""
    return "cabot-" + (re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "plugin")


def plugin_of(packages: Sequence[str]) -> Plugin:
    """The plugin, with all that the packages brought."""
    rows = [kind for kind in subclasses(AlertPlugin) if hasattr(kind, "send_alert")]
    later = [kind() for kind in subclasses(plain.AlertPlugin) if hasattr(kind, "send_alert")]
    checks = [kind for kind in subclasses(StatusCheck) if kind._run is not StatusCheck._run]
    if not (rows or later or checks):
        raise Misconfigured(
            f"{', '.join(packages)}: there is no class that is an AlertPlugin and has send_alert"
        )
    people = People({attribute_of(one): one.user_config_form for one in later if one.user_config_form})
    plugin = Plugin(settings_schema=djangos.settings_schema(**NAMES), user_schema=people.schema())
    running = Running(plugin, people)
    with djangos.database():
        djangos.tables(list(apps.get_models()))
        people.forget()
        for alerter in [*(_row(kind) for kind in rows), *later]:
            running.add(alerter)
    for kind in checks:
        running.add_check(kind)
    plugin.on_configure(running.configure)
    djangos.mails_by(plugin.host)
    own = os.environ.get("NIGHTBELL_PLUGIN") or packages[0]
    for route in web.mount(packages, own):
        running.add_route(route, own)
    running.add_acknowledge()
    return plugin


def _row(kind: Any) -> Any:
    """The one row of a class of alert plugins."""
    return kind.objects.filter(title=kind.name[:30]).first() or kind.objects.create(title=kind.name[:30])


class Running:
    """What the functions of the plugin share."""

    def __init__(self, plugin: Plugin, people: People) -> None:
        self.plugin = plugin
        self.people = people
        self.services = Services()
        self._address = ""
        """Where Nightbell says that it is reached."""
        self._fixed: Dict[str, Any] = {name: getattr(django_settings, name) for name in ADDRESS}
        web.root(self.services.link)
        when_acknowledged(lambda service, user: web.acknowledge(plugin, service, user))

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Takes the plugin's own settings."""
        djangos.configure(settings)
        self._fixed.update((name, settings[name]) for name in self._fixed if settings.get(name))
        self._address = ""

    def add(self, alerter: Any) -> None:
        """An alert plugin as a kind of destination."""
        about = f"{alerter.name}, a plugin for Cabot" + (f" by {alerter.author}" if alerter.author else "")
        schema = self._settings()

        @self.plugin.destination(kind_of(alerter.name), title=alerter.name, about=about, settings=schema)
        def deliver(delivery: Delivery) -> Outcome:
            with djangos.database():
                return self.deliver(alerter, delivery)

    def _settings(self) -> Dict[str, Any]:
        person = {
            "type": "object",
            "properties": {
                "name": {"type": "string", "title": "User name", "minLength": 1},
                "email": {"type": "string"},
                "first_name": {"type": "string"},
                "last_name": {"type": "string"},
                "settings": self.people.schema(),
            },
            "required": ["name"],
            "additionalProperties": False,
        }
        several = {"type": "array", "items": person, "maxItems": MAX_PEOPLE}
        return {
            "type": "object",
            "properties": {
                "service": {
                    "type": "string",
                    "title": "Service",
                    "description": "Its name in messages; else the label `service`, `alertname`, or the title",
                },
                "users": {**several, "title": "Users to notify"},
                "duty_officers": {**several, "title": "Duty officers"},
            },
            "additionalProperties": False,
        }

    def deliver(self, alerter: Any, delivery: Delivery) -> Outcome:
        """One message to one plugin."""
        kind = delivery.message.kind
        if kind == "acknowledged" and not hasattr(alerter, "send_alert_update"):
            return Skipped(f"{alerter.name} has no send_alert_update: it tells nobody of acknowledgements")
        self._reached_at(delivery.message.notification)
        given, settings = [person.raw for person in delivery.recipients], delivery.settings
        users = self.people.users([*(settings.get("users") or []), *given])
        given = [person.raw for person in delivery.on_duty]
        officers = self.people.users([*(settings.get("duty_officers") or []), *given])
        service = self.services.of(delivery, users)
        function = alerter._send_alert_update if kind == "acknowledged" else alerter._send_alert
        recipients = service.users_to_notify.all()
        return watched(lambda: call(function, service, recipients, officers))

    def _reached_at(self, notification: Notification) -> None:
        """Nightbell's own address, for links, unless the settings name another."""
        if notification.external_url in ("", self._address):
            return
        self._address = notification.external_url
        parts = urlsplit(notification.external_url)
        own = {"WWW_HTTP_HOST": (parts.netloc + parts.path).rstrip("/"), "WWW_SCHEME": parts.scheme or "http"}
        own.update(
            (name, value) for name, value in self._fixed.items() if value and self._fixed["WWW_HTTP_HOST"]
        )
        for name, value in own.items():
            setattr(django_settings, name, value)

    def add_check(self, kind: Any) -> None:
        """A check plugin as a kind of check."""
        fields = own_fields(kind, StatusCheck)
        schema = schemas.of_model(fields)
        schema["properties"] = {
            "name": {"type": "string"},
            "importance": _importances(),
            **schema["properties"],
        }

        @self.plugin.check(kind_of(kind.check_name or kind.__name__), title=kind.__name__, settings=schema)
        def run(settings: Mapping[str, Any]) -> Check:
            with djangos.database():
                relations = {field.name: field.attname for field in fields}
                values = {relations.get(name, name): value for name, value in settings.items()}
                check = kind(**{"name": kind.__name__, **values})
                found = check._run()
            return _found(check, found)

    def add_route(self, route: str, plugin_id: str) -> None:
        """A view of a plugin as a route. Cabot asks nobody for a password there, and neither do those who call
        them."""

        @self.plugin.route(route, methods=web.METHODS, auth="none")
        def ask(request: Request) -> Response:
            return web.answer(request, plugin_id)

    def add_acknowledge(self) -> None:
        """The button of Cabot's own page."""

        @self.plugin.route("/service/acknowledge_alert/<pk>/", methods=("GET", "POST"))
        def acknowledge(request: Request) -> Any:
            text = request.arguments["pk"]
            with djangos.database():
                service = Service.objects.filter(pk=text).first() if text.isdigit() else None
                if service is None:
                    return 404, f"there is no service {text}"
                if not service.incidents:
                    return 409, f"{service.name} has no open incident"
                service.acknowledge_alert(request.principal.get("name") or "")
            return 200, f"{service.name} is acknowledged"


def _importances() -> Dict[str, Any]:
    return {"enum": ["WARNING", "ERROR", "CRITICAL"], "default": "ERROR"}


def _found(check: Any, found: Any) -> Check:
    if not isinstance(found, StatusCheckResult):
        return Check(
            "failing", f"{type(check).__name__}._run returned {found!r:.100}, not a StatusCheckResult"
        )
    if found.succeeded:
        return Check("passing", found.error or "")
    return Check(
        RESULTS.get(check.importance, "failing"), found.error or "failed", {"importance": check.importance}
    )
