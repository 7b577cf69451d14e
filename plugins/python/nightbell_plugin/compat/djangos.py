"""The real Django, set up in this process for code that was written for a Django application."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import types
from typing import Any, Dict, Iterator, Mapping, Optional, Sequence, Set

from ..host import Host, current_delivery
from ..outcomes import Misconfigured, Rejected, Retry
from ..wire import NOT_FOUND, NOT_PERMITTED, WRONG_PARAMETERS, RpcError
from . import oldnames
from .watch import mailed

MAIL = f"{__name__}.Mail"
MAIL_SECONDS = 8
"""How long a mail server may keep a delivery."""
BUSY_SECONDS = 10
"""How long one thread waits for another one's writing."""
DEFAULTS: Dict[str, Any] = {
    "ALLOWED_HOSTS": ["*"],
    "DEFAULT_AUTO_FIELD": "django.db.models.AutoField",
    "EMAIL_BACKEND": MAIL,
    "EMAIL_HOST": "",
    "EMAIL_TIMEOUT": MAIL_SECONDS,
    "LOGGING_CONFIG": None,
    "MIDDLEWARE": [],
    "TEMPLATES": [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {"builtins": []},
        }
    ],
    "TIME_ZONE": "UTC",
    "USE_TZ": True,
}
SETTINGS_SCHEMA: Dict[str, Any] = {
    "type": "object",
    "title": "Settings of Django",
    "description": "Each name in capitals becomes a setting of Django in the plugin's process.",
    "properties": {
        "EMAIL_HOST": {"type": "string", "title": "Mail server", "description": "Without it, the hub sends mail"},
        "EMAIL_PORT": {"type": "integer", "minimum": 1, "maximum": 65535, "default": 25},
        "EMAIL_HOST_USER": {"type": "string"},
        "EMAIL_HOST_PASSWORD": {"type": "string", "x-secret": True},
        "EMAIL_USE_TLS": {"type": "boolean", "default": False},
        "EMAIL_USE_SSL": {"type": "boolean", "default": False},
        "DEFAULT_FROM_EMAIL": {"type": "string"},
        "TIME_ZONE": {"type": "string", "default": "UTC"},
    },
    "additionalProperties": True,
}
"""What both shims take as the plugin's own settings; each adds its own names."""


def settings_schema(**properties: Any) -> Dict[str, Any]:
    """The schema of the plugin's own settings with further names."""
    return {**SETTINGS_SCHEMA, "properties": {**SETTINGS_SCHEMA["properties"], **properties}}


def needed() -> Any:
    """Django; words for a person if it is not there."""
    try:
        import django
    except ModuleNotFoundError as error:
        if error.name != "django":
            raise
        raise Misconfigured(
            "this plugin needs Django: put `django>=4.2,<6` into run.requirements and install the plugin again"
        ) from None
    return django


def begin(apps: Sequence[Any], **settings: Any) -> None:
    """Configures Django and loads the applications. Once in a process."""
    django = needed()
    from django.conf import settings as django_settings

    if django_settings.configured:
        raise Misconfigured("Django is set up in this process already")
    given = {"SECRET_KEY": secrets.token_hex(32), **DEFAULTS, **settings}
    django_settings.configure(INSTALLED_APPS=list(apps), **given)
    oldnames.provide()
    django.setup()


def folder_of(name: str, label: str = "") -> Any:
    """A package or module as an application whose models Django does not look for: for its templates, and for
    models that are imported later."""
    needed()
    import importlib.util

    from django.apps import AppConfig

    spec = importlib.util.find_spec(name)
    if spec is None:
        raise Misconfigured(
            f"there is no package {name}: is it in run.requirements, or in the plugin's folder?"
        )
    places = list(spec.submodule_search_locations or [os.path.dirname(spec.origin or "") or os.curdir])
    kind = type("Folder", (AppConfig,), {"path": places[0], "label": label or name.rpartition(".")[2]})
    return kind(name, types.ModuleType(name))


def configure(values: Mapping[str, Any]) -> None:
    """Takes the plugin's own settings as settings of Django."""
    from django.conf import settings

    wrong = [name for name in values if not name.isupper()]
    if wrong:
        raise Misconfigured(f"{', '.join(sorted(wrong))}: names of Django's settings are written in capitals")
    for name, value in values.items():
        setattr(settings, name, value)
        if name == "TIME_ZONE":
            from django.utils import timezone

            timezone.get_default_timezone.cache_clear()


def tables(models: Sequence[Any]) -> None:
    """Makes the tables of these models, in their order: again, if a model has changed since. Migrations are not
    looked at."""
    from django.db import connection

    connection.disable_constraint_checking()
    with connection.schema_editor(atomic=True) as editor:
        there = set(connection.introspection.table_names())
        for model in models:
            meta = model._meta
            wanted = {field.column for field in meta.local_fields if field.column}
            if meta.db_table in there and _columns(meta.db_table) != wanted:
                for link in meta.local_many_to_many:
                    there.discard(link.remote_field.through._meta.db_table)
                there.discard(meta.db_table)
                editor.delete_model(model)
            if meta.db_table not in there:
                editor.create_model(model)
    connection.enable_constraint_checking()


def _columns(table: str) -> Set[str]:
    from django.db import connection

    with connection.cursor() as cursor:
        return {column.name for column in connection.introspection.get_table_description(cursor, table)}


@contextlib.contextmanager
def database() -> Iterator[None]:
    """Around the work of one thread. Its connection stays open for the next, unless something was wrong with it."""
    from django.db import close_old_connections

    try:
        yield
    finally:
        close_old_connections()


def sqlite(state: str, name: str) -> Dict[str, Any]:
    """`DATABASES` with one file in the state folder. What is in it comes again with each delivery: it need not
    survive the machine, and so costs no waiting for the disk."""
    from django.db.backends.signals import connection_created

    def quick(sender: Any, connection: Any, **_: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous = OFF")
            cursor.execute("PRAGMA journal_mode = MEMORY")

    connection_created.connect(quick, weak=False)
    path = os.path.join(state, f"{name}.sqlite3")
    return {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": path,
            "CONN_MAX_AGE": None,
            "OPTIONS": {"timeout": BUSY_SECONDS},
        }
    }


def mails_by(host: Host) -> None:
    """Mails of a plugin that names no server of its own are handed to this hub."""
    global _hub
    _hub = host


_hub: Optional[Host] = None
NO_SERVER = "this plugin sends mail: set permissions.mail in its manifest, or EMAIL_HOST in its settings"


def hand_over(message: Any) -> bool:
    """Has the hub send a mail; whether there was anybody to send it to. What came of it is the delivery's outcome."""
    if _hub is None or "mail" not in _hub.features:
        raise Rejected(NO_SERVER)
    to = [str(address) for address in message.recipients()]
    if not to:
        return False
    if getattr(message, "attachments", None):
        raise Rejected("mails with attachments need a server of the plugin's own: set EMAIL_HOST in its settings")
    text, html = str(message.body), ""
    if getattr(message, "content_subtype", "plain") == "html":
        text, html = "", text
    for content, kind in getattr(message, "alternatives", None) or ():
        html = str(content) if kind == "text/html" else html
    delivery, subject = current_delivery.get(), " ".join(str(message.subject).split())
    more = {"html": html, "reply_to": str(next(iter(getattr(message, "reply_to", None) or ()), ""))}
    if delivery:
        # the mail of another try is the same one
        more["key"] = "/".join([delivery, *to, subject])
    try:
        said = _hub.wait(_hub.mail(to, subject, text, **more))
    except RpcError as error:
        if error.code == NOT_PERMITTED:
            raise Rejected(NO_SERVER) from None
        if error.code in (NOT_FOUND, WRONG_PARAMETERS):
            raise Rejected(f"the hub sends no such mail: {error.message}") from None
        raise Retry(f"the hub did not send the mail: {error.message}") from None
    if said.get("outcome") == "rejected":
        raise Rejected(str(said.get("reason", "")))
    if said.get("outcome") != "delivered":
        after = said.get("after_ms")
        raise Retry(str(said.get("reason", "")), after=after / 1000 if after else None)
    return True


def mail_backend() -> Any:
    """Django's backend for SMTP, for plugins that name a server; the mails of all others the hub sends."""
    from django.conf import settings
    from django.core.mail.backends.smtp import EmailBackend

    class Backend(EmailBackend):
        def send_messages(self, email_messages: Any) -> Any:
            if settings.EMAIL_HOST or self.host:
                sent = super().send_messages(email_messages)
            else:
                sent = sum(hand_over(message) for message in email_messages)
            if sent:
                mailed()
            return sent

    return Backend


def __getattr__(name: str) -> Any:
    # Django finds its backend by name, and the class can be made only when Django is there
    if name == "Mail":
        made = mail_backend()
        setattr(sys.modules[__name__], "Mail", made)
        return made
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
