"""The modules of Sentry and its surroundings that plugins import, and what is in them."""

from __future__ import annotations

import importlib.util
import json
import logging
import types
from typing import Any, Callable, Dict, List, Mapping

from ..calls import NotProvided
from ..standins import Contents, StandIns
from . import base, forms, notify, objects, web

VERSION = "9.1.2"
"""The version of Sentry whose plugin interface this is."""

logger = logging.getLogger("sentry.plugins")


def _refused(name: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise NotProvided(f"Nightbell has no {name} to give to a Sentry plugin")

    return refuse


class _Manager:
    """`Model.objects`: there is no database to ask."""

    def __init__(self, model: str) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _refused(f"{self._model}.objects.{name}")


def _model(name: str, parent: type = objects.Thing, **more: Any) -> Any:
    missing = {"DoesNotExist": type("DoesNotExist", (Exception,), {})}
    return type(name, (parent,), {"objects": _Manager(name), "_name": name.lower(), **missing, **more})


class _GroupMeta:
    """Values beside a group, for as long as the plugin runs."""

    def __init__(self) -> None:
        self._values: Dict[Any, Any] = {}

    def get_value(self, group: Any, key: str, default: Any = None) -> Any:
        """The value."""
        return self._values.get((group.id, key), default)

    def set_value(self, group: Any, key: str, value: Any) -> None:
        """Keeps the value."""
        if len(self._values) > notify.MAX_COUNTED:
            self._values.clear()
        self._values[(group.id, key)] = value

    def unset_value(self, group: Any, key: str) -> None:
        """Forgets the value."""
        self._values.pop((group.id, key), None)


class _OptionObjects:
    def get_value(self, project: Any, key: str, default: Any = None, **_: Any) -> Any:
        """An option of the project."""
        return project.get_option(key, default)

    def set_value(self, project: Any, key: str, value: Any) -> None:
        """Sets an option of the project for as long as the plugin runs."""
        project.update_option(key, value)


def _models() -> Mapping[str, Any]:
    status = types.SimpleNamespace(UNRESOLVED=0, RESOLVED=1, IGNORED=2, MUTED=2)
    made: Dict[str, Any] = {
        name: _model(name)
        for name in ("User", "Team", "TagKey", "TagValue", "UserOption", "ApiKey", "Repository", "Release", "Rule")
    }
    made["Organization"] = objects.Organization
    made["Activity"] = Activity
    made["Group"], made["Event"], made["Project"] = objects.Group, objects.Event, objects.Project
    made["GroupStatus"] = status
    made["GroupMeta"] = _model("GroupMeta", objects=_GroupMeta())
    made["ProjectOption"] = _model("ProjectOption", objects=_OptionObjects())
    return made


class Activity(objects.Thing):
    """Something that was done to a group."""

    _name = "activity"
    SET_RESOLVED, SET_UNRESOLVED, SET_IGNORED, SET_PUBLIC = 1, 2, 3, 4
    SET_PRIVATE, SET_REGRESSION, CREATE_ISSUE, NOTE, FIRST_SEEN, RELEASE, ASSIGNED, UNASSIGNED = range(5, 13)


def _sample(project: Any = None, *_: Any, **__: Any) -> Any:
    """An event to try a plugin with."""
    from ...records import Alert, Notification

    alert = Alert(incident="test", title="This is a test", severity="error", state="open", labels={"project": "test"})
    notification = Notification(external_url=web.current_base.get())
    return objects.event_of(alert, notification, project.options if project is not None else {})


def safe_execute(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Calls it; what goes wrong is logged."""
    named.pop("_with_transaction", None)
    try:
        return function(*arguments, **named)
    except Exception:
        logger.exception("%s failed", getattr(function, "__name__", function))
        return None


def truncatechars(text: str, length: int) -> str:
    """The text, cut."""
    return text if len(text) <= length else text[: max(0, length - 3)] + "..."


def standard_key(key: str) -> str:
    """`release` for `sentry:release`."""
    return key[len("sentry:") :] if key.startswith("sentry:") else key


def _label(key: str) -> str:
    return standard_key(key).replace("_", " ").title()


def _nothing(*_: Any, **__: Any) -> None:
    return None


def react_plugin_config(plugin: Any, project: Any, request: Any) -> Any:
    """A page of options; the hub shows forms of its own."""
    return base.Response()


SENTRY_ERRORS = {
    "PluginError": base.PluginError,
    "InvalidIdentity": base.InvalidIdentity,
    "PluginIdentityRequired": type("PluginIdentityRequired", (base.PluginError,), {}),
    "RestrictedIPAddress": type("RestrictedIPAddress", (Exception,), {}),
}
BASES = {
    name: getattr(base, name)
    for name in (
        "Plugin",
        "Plugin2",
        "IPlugin",
        "plugins",
        "register",
        "unregister",
        "Response",
        "JSONResponse",
        "Annotation",
    )
}
BASES.update(
    IPlugin2=base.IPlugin,
    Notification=notify.Notification,
    react_plugin_config=react_plugin_config,
    bindings=types.SimpleNamespace(add=_nothing, get=_nothing),
    ReleaseTrackingPlugin=notify.ReleaseTrackingPlugin,
    ReleaseHook=type("ReleaseHook", (), {}),
    NotificationPlugin=notify.NotificationPlugin,
)
ISSUES = {
    "IssuePlugin": notify.IssuePlugin,
    "IssueTrackingPlugin": notify.IssuePlugin,
    "IssuePlugin2": notify.IssueTrackingPlugin2,
    "IssueTrackingPlugin2": notify.IssueTrackingPlugin2,
    "IssueGroupActionEndpoint": type("IssueGroupActionEndpoint", (), {"as_view": _nothing}),
    "NewIssueForm": forms.module.Form,
}
JSON = {"dumps": web.dumps, "loads": web.loads, "JSONDecodeError": json.JSONDecodeError}
FORWARDING = {"DataForwardingPlugin": notify.DataForwardingPlugin}
FEATURES = {
    "FeatureDescription": objects.Thing,
    "IntegrationFeatures": types.SimpleNamespace(
        **{name: name for name in ("ALERT_RULE", "ISSUE_BASIC", "ISSUE_SYNC", "DATA_FORWARDING", "COMMITS")}
    ),
}


def _api_errors() -> Mapping[str, Any]:
    error = type("ApiError", (Exception,), {"code": None, "json": None})
    names = ("ApiHostError", "ApiUnauthorized", "ApiTimeoutError", "IntegrationError", "UnsupportedResponseType")
    return {"ApiError": error, **{name: type(name, (error,), {}) for name in names}}


def table() -> Dict[str, Contents]:
    """Names of modules, and what is in each."""
    http = f"{__package__}.web"
    notifying = f"{__package__}.notify"
    sample = {"create_sample_event": _sample}
    constants = {"LOG_LEVELS": objects.LEVEL_NAMES, "LOG_LEVELS_MAP": {v: k for k, v in objects.LEVEL_NAMES.items()}}
    strings = {"truncatechars": truncatechars, "strip": lambda text: (text or "").strip()}
    tags = {
        "get_tag_key_label": _label,
        "get_tag_value_label": lambda key, value: value or "(empty)",
        "get_standardized_key": standard_key,
    }
    return {
        "sentry": {"VERSION": VERSION, "__version__": VERSION, "get_version": lambda: VERSION},
        "sentry.plugins": BASES,
        "sentry.plugins.base": BASES,
        "sentry.plugins.base.v1": BASES,
        "sentry.plugins.base.v2": BASES,
        "sentry.plugins.base.structs": BASES,
        "sentry.plugins.base.notifier": BASES,
        "sentry.plugins.base.configuration": BASES,
        "sentry.plugins.interfaces": BASES,
        "sentry.plugins.bases": {},
        "sentry.plugins.bases.notify": notifying,
        "sentry.plugins.bases.tag": {"TagPlugin": notify.TagPlugin},
        "sentry.plugins.bases.issue": ISSUES,
        "sentry.plugins.bases.issue2": ISSUES,
        "sentry.plugins.bases.data_forwarding": FORWARDING,
        "sentry.plugins.bases.releasetracking": BASES,
        "sentry.plugins.sentry_mail.models": {"MailPlugin": type("MailPlugin", (notify.NotificationPlugin,), {})},
        "sentry.http": http,
        "sentry.net.socket": http,
        "sentry.utils.http": http,
        "sentry.utils.json": JSON,
        "sentry.utils.safe": {"safe_execute": safe_execute},
        "sentry.utils.strings": strings,
        "sentry.utils.hashlib": {"md5_text": web.md5_text, "sha1_text": web.sha1_text},
        "sentry.utils.metrics": {"incr": _nothing, "timing": _nothing, "gauge": _nothing},
        "sentry.utils.samples": sample,
        "sentry.utils.email": {"MessageBuilder": _refused("MessageBuilder")},
        "sentry.utils.forms": {},
        "sentry.utils.dates": {"to_timestamp": lambda value: value.timestamp()},
        "sentry.tagstore": tags,
        "sentry.exceptions": SENTRY_ERRORS,
        "sentry.shared_integrations.exceptions": _api_errors,
        "sentry.integrations": FEATURES,
        "sentry.integrations.base": FEATURES,
        "sentry.app": {"ratelimiter": notify.ratelimiter},
        "sentry.ratelimits": {"is_limited": notify.ratelimiter.is_limited},
        "sentry.features": {"has": lambda *_, **__: False},
        "sentry.options": {"get": lambda key, default=None: base.site_options.get(key, default)},
        "sentry.conf": {},
        "sentry.constants": constants,
        "sentry.models": _models,
        "sentry.models.event": _models,
        "sentry.models.group": _models,
        "sentry.interfaces": {},
    }


def _settings() -> Mapping[str, Any]:
    return {"settings": types.SimpleNamespace(SENTRY_URL_PREFIX="", DEBUG=False, SENTRY_WATCHERS=())}


def _translations() -> Mapping[str, Any]:
    names = ("gettext", "ugettext", "gettext_lazy", "ugettext_lazy")
    return {name: lambda text: text for name in names}


def _pkg_resources() -> Mapping[str, Any]:
    from importlib import metadata

    class DistributionNotFound(Exception):
        """There is none of this name."""

    def get_distribution(name: str) -> Any:
        try:
            return types.SimpleNamespace(version=metadata.version(name), project_name=name)
        except metadata.PackageNotFoundError:
            raise DistributionNotFound(name) from None

    return {
        "DistributionNotFound": DistributionNotFound,
        "get_distribution": get_distribution,
        "iter_entry_points": lambda group, name=None: iter([e for e in points(group) if name in (None, e.name)]),
    }


def points(group: str) -> List[Any]:
    """Entry points of a group, in all versions of Python."""
    from importlib import metadata

    found: Any = metadata.entry_points()
    chosen = found.select(group=group) if hasattr(found, "select") else found.get(group, [])
    return sorted({(each.name, each.value): each for each in chosen}.values(), key=lambda each: str(each.name))


def surroundings() -> Dict[str, Contents]:
    """What came with Sentry, for environments where it is not installed: just enough to import."""
    django = {"ValidationError": forms.ValidationError, "ImproperlyConfigured": type("Bad", (Exception,), {})}
    reverse = {"reverse": _refused("reverse"), "NoReverseMatch": type("NoReverseMatch", (Exception,), {})}
    identity = {name: lambda text: text for name in ("mark_safe", "escape", "force_text", "force_str", "smart_str")}
    return {
        "django": {"VERSION": (1, 6, 11, "final", 0)},
        "django.forms": lambda: vars(forms.module),
        "django.conf": _settings,
        "django.utils.translation": _translations,
        "django.utils.safestring": identity,
        "django.utils.html": identity,
        "django.utils.encoding": identity,
        "django.utils.datastructures": {"SortedDict": dict},
        "django.core.exceptions": django,
        "django.core.validators": {"URLValidator": _refused("URLValidator"), "validate_email": _nothing},
        "django.core.urlresolvers": reverse,
        "django.urls": reverse,
        "BeautifulSoup": {"BeautifulStoneSoup": _refused("BeautifulSoup"), "BeautifulSoup": _refused("BeautifulSoup")},
        "simplejson": {"dumps": json.dumps, "loads": json.loads, "JSONDecodeError": json.JSONDecodeError},
        "simplejson.decoder": {"JSONDecodeError": json.JSONDecodeError},
        "pkg_resources": _pkg_resources,
    }


def provide() -> List[StandIns]:
    """Makes the modules importable in this process."""
    made = [StandIns("Sentry", table(), closed=("sentry",)).install()]
    there = {name: importlib.util.find_spec(name) is not None for name in ("django", "simplejson", "pkg_resources")}
    missing = {name: value for name, value in surroundings().items() if not there.get(name.partition(".")[0])}
    made.append(StandIns("Sentry's surroundings", missing).install(first=False))
    if there["django"]:
        import django.utils.translation as translation

        for old, new in (("ugettext", "gettext"), ("ugettext_lazy", "gettext_lazy")):
            if not hasattr(translation, old):
                setattr(translation, old, getattr(translation, new))
        aliases: Dict[str, Contents] = {"django.core.urlresolvers": "django.urls"}
        made.append(StandIns("old names of Django", aliases).install(first=False))
    return made
