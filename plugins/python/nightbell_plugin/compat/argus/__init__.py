"""Notification media of Argus, of all the generations of their contract, run as they are.

`--module` is a list as in `MEDIA_PLUGINS`: `argus_notification_msteams.MSTeamsNotification,own.media.Pager`.
Each becomes a kind of destination, `argus-` and its `MEDIA_SLUG`. A message becomes one event of one incident.
Only what is publicly known of Argus is here: its shapes and its behaviour, none of its code.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import socket
from typing import TYPE_CHECKING, Any, Dict, List

from ...outcomes import Misconfigured
from ...plugin import Plugin
from .. import djangos, oldnames
from ..standins import StandIns
from ..watch import begin as watch

if TYPE_CHECKING:
    from ...runner import Arguments

BASE, OBJECTS, MEDIA = f"{__name__}.base", f"{__name__}.objects", f"{__name__}.media"
SOCKET_SECONDS = 9
"""How long a connection without a time limit of its own may stay silent."""
NAMES: Dict[str, Any] = {
    "NOTIFICATION_SUBJECT_PREFIX": {"type": "string", "default": "[Argus] "},
    "SMS_GATEWAY_ADDRESS": {
        "type": "string",
        "description": "The mail address that makes short messages of mails",
    },
    "SMS_GATEWAY_MODE": {
        "enum": ["subject", "recipient"],
        "default": "subject",
        "description": "Where the number stands: in the subject, or in the address (sms+4712345678@…)",
    },
}
"""Settings of Argus that media read."""


def _times() -> Dict[str, Any]:
    from .objects import INFINITY

    return {
        "INFINITY": INFINITY,
        "LOCAL_INFINITY": INFINITY,
        "INFINITY_REPR": "infinity",
        "make_aware": lambda time: time if time.tzinfo else time.astimezone(),
    }


def _models() -> Dict[str, Any]:
    from . import objects

    named = {"DestinationConfig": objects.Destination, "SourceSystem": objects.Source}
    return {**vars(objects), **named, "SourceSystemType": objects.SourceType}


def _utils() -> Dict[str, Any]:
    from .base import notifications_enabled

    return {"are_notifications_enabled": notifications_enabled}


def _only(module: str, *names: str) -> Any:
    return lambda: {name: getattr(importlib.import_module(module), name) for name in names}


TABLE: Dict[str, Any] = {
    "argus.constants": _only(BASE, "API_STABLE_VERSION"),
    "argus.incident.models": _models,
    "argus.auth.models": _only(OBJECTS, "User"),
    "argus.notificationprofile.models": _models,
    "argus.notificationprofile.utils": _utils,
    "argus.notificationprofile.media.base": BASE,
    "argus.notificationprofile.media.email": _only(
        MEDIA, "EmailNotification", "send_email_safely", "NotificationMedium"
    ),
    "argus.notificationprofile.media.sms_as_email": _only(MEDIA, "SMSNotification"),
    "argus.util.datetime_utils": _times,
}
"""What can be imported of Argus."""


def names_of(module: str) -> List[str]:
    """The names in a list of classes or modules, each as `package.module.Class`."""
    names = [name.replace(":", ".").strip() for name in re.split(r"[,\s]+", module) if name.strip()]
    if not names:
        raise Misconfigured("run.module is a list of classes, as in MEDIA_PLUGINS: package.module.Class,…")
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise Misconfigured(f"run.module: {name!r} is not the name of a class")
    return list(dict.fromkeys(names))


def load(arguments: "Arguments") -> Plugin:
    """The media that were asked for, as one plugin of ours."""
    names = names_of(arguments.module or os.environ.get("MEDIA_PLUGINS", ""))
    socket.setdefaulttimeout(SOCKET_SECONDS)
    djangos.needed()
    StandIns("Argus", TABLE, closed=("argus",)).install()
    oldnames.python_2()
    packages = [each for each in dict.fromkeys(name.partition(".")[0] for name in names) if each != "argus"]
    from_environment = {name: os.environ[name] for name in NAMES if name in os.environ}
    defaults = {
        "NOTIFICATION_SUBJECT_PREFIX": "[Argus] ",
        "SMS_GATEWAY_ADDRESS": "",
        "SMS_GATEWAY_MODE": "subject",
    }
    given = {"SEND_NOTIFICATIONS": True, "FRONTEND_URL": "", **defaults, **from_environment}
    # the packages are there for their templates; their models, if any, are not used
    djangos.begin([djangos.folder_of(name) for name in packages], **given)
    if importlib.util.find_spec("rest_framework") is None:
        StandIns("Django REST framework", {"rest_framework.exceptions": f"{__name__}.rest"}).install(
            first=False
        )
    watch()
    from . import running

    return running.plugin_of(names)
