"""Plugins of Sentry that notify, as they are: `--compat sentry`, with `--module package.plugin:Class`
(several with commas), or `*` for all that are installed and have entry points.

Each plugin is a kind of destination that is named after its slug; its options are the destination's
settings. One alert is one event of one group, and a plugin is told of alerts that fire.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import re
import socket
import threading
from collections import OrderedDict
from typing import Any, Callable, Dict, List, Optional, Tuple

from ... import Delivered, Delivery, Invalid, Misconfigured, Outcome, Plugin, Rejected, Retry, Skipped
from ...records import OfProject
from ...runner import Arguments
from ...wire import last_line
from ..calls import call, failure, overrides, status_of
from . import modules
from .base import IPlugin, Plugin2, current_options, plugins, site_options
from .forms import schema_of, wrong_with
from .modules import Activity
from .notify import REFUSED, DataForwardingPlugin, NotificationPlugin, RateLimited, RuleFuture
from .objects import Project, Rule, Text, event_of
from .web import current_base

logger = logging.getLogger("sentry.plugins")

TICKETS = "it makes tickets, and only plugins that notify are run"
EVERYTHING = "*"
"""In place of a module: all that are installed."""
SOCKET_SECONDS = 10.0
"""For sockets that a plugin gives no time of its own."""
PER_PROJECT = "per_project"
"""The option of a destination that leaves all others to the projects."""
PER_PROJECT_SCHEMA = {
    "type": "boolean",
    "title": "Per project",
    "description": "Only projects are told of for which the plugin is set up, each by its own options",
    "default": False,
}
ENABLED = "enabled"
"""The option of a project that says whether the plugin is told of it."""
ENABLED_SCHEMA = {"type": "boolean", "title": "Enabled", "description": "Whether the plugin is told of this project"}
MAX_TOLD = 10_000
"""Alerts of unfinished deliveries that are remembered, so that a retry does not tell them twice."""


def load(arguments: Arguments) -> Plugin:
    """The plugins that were asked for, as one of ours."""
    modules.provide()
    # connections without a time limit would hold a thread for ever
    socket.setdefaulttimeout(SOCKET_SECONDS)
    wrong = _import(arguments.module)
    kinds: List[Kind] = []
    for one in list(plugins.all(None)):
        why = refusal(one)
        if why:
            wrong.append(f"sentry plugin {one.slug!r} is left out: {why}")
        else:
            kinds.append(Kind(one))
    for line in wrong:
        logger.error("%s", line)
    if not kinds:
        raise Misconfigured("; ".join(wrong) or "there is no Sentry plugin: none is registered or has entry points")
    plugin = Plugin()
    by_name = {kind.name: kind for kind in kinds}
    for kind in kinds:
        kind.add_to(plugin)
    plugin.schemas["project"] = {
        "type": "object",
        "properties": {name: kind.project_schema() for name, kind in by_name.items()},
        "additionalProperties": False,
    }

    @plugin.validate("project")
    def looked_at(value: Dict[str, Any], project: str) -> Dict[str, Any]:
        wrong: List[Tuple[str, str]] = []
        for name, options in value.items():
            try:
                value[name] = by_name[name].validate_for(project, options)
            except Invalid as invalid:
                wrong += [(f"{name}.{each['path']}".rstrip("."), each["message"]) for each in invalid.errors]
        if wrong:
            raise Invalid(wrong)
        return value

    @plugin.on_configure
    async def configured(settings: Dict[str, Any]) -> None:
        site_options.clear()
        site_options.update(settings)

    return plugin


def _import(module: str) -> List[str]:
    """Imports modules, or all entry points; returns what went wrong."""
    if module not in ("", EVERYTHING):
        for each in module.split(","):
            name, _, wanted = each.strip().partition(":")
            try:
                there = importlib.import_module(name)
            except SyntaxError as error:
                raise Misconfigured(f"{name} is not written for Python 3: {last_line(error)}") from error
            _register(there, wanted)
        return []
    wrong = []
    for group, take in (("sentry.apps", _ignore), ("sentry.plugins", plugins.register)):
        for point in modules.points(group):
            if _makes_tickets(point.value.partition(":")[0]):
                wrong.append(f"sentry plugin {point.value!r} is left out: {TICKETS}")
                continue
            try:
                take(point.load())
            except Exception as error:
                wrong.append(f"sentry plugin {point.value!r} is left out: {last_line(error)}")
    return wrong


def _makes_tickets(name: str) -> bool:
    """Whether a module derives from the bases of ticket systems: seen in its source, since importing it
    would need much that only Sentry has."""
    try:
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.origin:
            return False
        with open(spec.origin, encoding="utf-8", errors="replace") as file:
            return re.search(r"^\s*from sentry\.plugins\.bases(\.issue2? |\s+import issue)", file.read(),
            re.M) is not None
    except (ImportError, OSError):
        return False


def _ignore(app: Any) -> None:
    """An app registers its plugins itself, if it has any."""


def _register(module: Any, wanted: str) -> None:
    if wanted:
        cls = getattr(module, wanted, None)
        if not isinstance(cls, type) or not issubclass(cls, IPlugin):
            raise Misconfigured(f"{module.__name__} has no Sentry plugin named {wanted!r}")
        plugins.register(cls)
        return
    for cls in list(vars(module).values()):
        if isinstance(cls, type) and issubclass(cls, IPlugin) and cls.__module__ == module.__name__:
            plugins.register(cls)


def refusal(plugin: Any) -> str:
    """Why a plugin cannot be run, or nothing."""
    for base, why in REFUSED.items():
        if isinstance(plugin, base):
            return f"it {why}, and only plugins that notify are run"
    tells = isinstance(plugin, (NotificationPlugin, DataForwardingPlugin))
    if not tells and not overrides(plugin, "post_process", IPlugin) and not isinstance(plugin, Plugin2):
        return "it has nothing that notifies"
    if isinstance(plugin, Plugin2) and not overrides(plugin, "post_process", IPlugin):
        return "it has nothing that notifies"
    return ""


class Kind:
    """One plugin of Sentry as a kind of destination."""

    def __init__(self, plugin: Any) -> None:
        self.plugin = plugin
        name = re.sub(r"[^a-z0-9_-]+", "-", str(plugin.slug).lower()).strip("-_") or "plugin"
        self.name = name if name[0].isalpha() else f"sentry-{name}"
        self._told: "OrderedDict[Tuple[str, str], None]" = OrderedDict()
        self._lock = threading.Lock()

    def add_to(self, plugin: Plugin) -> None:
        """Makes it a destination of ours."""
        one = self.plugin
        links = [str(url) for _, url in one.get_resource_links() or ()]
        about = " ".join(filter(None, [str(one.get_description() or ""), f"By {one.author}." if one.author else ""]))
        machines = isinstance(one, DataForwardingPlugin) or one.get_plugin_type() == "data-forwarding"
        plugin.destination(
            self.name,
            title=str(one.get_title() or self.name),
            about=about or None,
            docs=next(iter(links), None) or one.author_url or None,
            audience="machines" if machines else "people",
            settings=self.schema(),
        )(self.deliver)
        plugin.validate("destination", self.name)(self.validate)
        plugin.test(self.name)(self.test)

    def fields(self) -> List[Dict[str, Any]]:
        """The plugin's options."""
        project = Project("test")
        return list(call(self.plugin.get_config, project=project, user=None, initial=None) or [])

    def schema(self) -> Dict[str, Any]:
        """Of a destination: the plugin's options, or the word that they are left to each project."""
        schema = schema_of(self.fields())
        required = schema.pop("required", None)
        schema["properties"].setdefault(PER_PROJECT, PER_PROJECT_SCHEMA)
        if required:
            left = {"properties": {PER_PROJECT: {"const": True}}, "required": [PER_PROJECT]}
            schema.update({"if": left, "else": {"required": required}})
        return schema

    def project_schema(self) -> Dict[str, Any]:
        """Of what is set for a project, over the destination's options."""
        schema = schema_of(self.fields())
        schema.pop("required", None)
        for option in schema["properties"].values():
            # what a project says nothing of is as in the destination
            option.pop("default", None)
        schema["properties"].setdefault(ENABLED, ENABLED_SCHEMA)
        return {"title": str(self.plugin.get_title() or self.name), **schema}

    # settings

    def validate(self, value: Dict[str, Any]) -> Optional[Dict[str, Any]]:
        """Looks at the options of a destination."""
        if value.get(PER_PROJECT):
            return None
        cleaned = self._looked_at("test", {name: each for name, each in value.items() if name != PER_PROJECT})
        return {**value, **cleaned}

    def validate_for(self, project: str, value: Dict[str, Any]) -> Dict[str, Any]:
        """Looks at the options of a project: as a whole, if they may stand alone."""
        own = {name: each for name, each in value.items() if name != ENABLED}
        needed = [name for name in schema_of(self.fields()).get("required", ()) if name not in own]
        if own:
            own = self._looked_at(project, own, partly=bool(needed))
        return {**value, **own}

    def _looked_at(self, name: str, value: Dict[str, Any], partly: bool = False) -> Dict[str, Any]:
        """Looks at options as the plugin does; `partly`: others come from elsewhere."""
        project = Project(name, dict(value))
        wrong: List[Tuple[str, str]] = []
        cleaned = dict(value)
        with _Surroundings(project.options, ""):
            # a form is asked only when the options are its own
            if not partly and not overrides(self.plugin, "get_config", IPlugin):
                wrong += wrong_with(call(self.plugin.get_conf_form, project), value)
            for name in list(value):
                try:
                    cleaned[name] = call(
                        self.plugin.validate_config_field, project=project, name=name, value=value[name], actor=None
                    )
                except Exception as error:
                    wrong.append((name, str(error) or last_line(error)))
            if not wrong and not partly:
                try:
                    said = call(self.plugin.validate_config, project=project, config=cleaned, actor=None)
                    cleaned = said if isinstance(said, dict) else cleaned
                except Exception as error:
                    wrong.append(("", str(error) if type(error).__name__.endswith("Error") else last_line(error)))
            if not wrong and not partly and not self.is_configured(Project(name, cleaned)):
                wrong.append(("", f"{self.plugin.get_title()} says that it is not configured: something is missing"))
        if wrong:
            raise Invalid(wrong)
        return cleaned

    def is_configured(self, project: Project) -> bool:
        """What the plugin says; one that says nothing is."""
        try:
            return bool(call(self.plugin.is_configured, project=project, request=None))
        except NotImplementedError:
            return True

    # telling

    def deliver(self, delivery: Delivery) -> Outcome:
        """Tells of each alert that fires, or of what was done."""
        message = delivery.message
        notification = message.notification
        firing = [alert for alert in notification.alerts if alert.state != "resolved"]
        tell: Callable[[Any], Any] = self.tell
        if message.kind in ("resolved", "acknowledged") or not firing:
            hears = isinstance(self.plugin, NotificationPlugin)
            if not hears or not overrides(self.plugin, "notify_about_activity", NotificationPlugin):
                return Skipped(f"Sentry's plugins are not told when something is {message.kind}")
            kind = Activity.ASSIGNED if message.kind == "acknowledged" else Activity.SET_RESOLVED
            tell = self._activity(kind)
            firing = list(notification.alerts)
        outcome: Outcome = Skipped("there was no alert to tell of")
        route = Rule(id=1, label=Text(notification.route or notification.receiver), data={}, project=None)
        for alert in firing:
            told = (delivery.key, f"{alert.incident}/{message.kind}")
            with self._lock:
                if told in self._told:
                    outcome = Delivered()
                    continue
            options = self.options(delivery.settings, delivery.set_for(alert.project))
            if options is None:
                if isinstance(outcome, Skipped):
                    outcome = Skipped(f"{self.name} is not enabled for {alert.project or 'what is of no project'}")
                continue
            with _Surroundings(options, notification.external_url):
                event = event_of(alert, notification, options, delivery.key)
                event.__dict__["_rules"] = [route]
                outcome = self._told_of(tell, event)
            if isinstance(outcome, (Retry, Rejected)):
                return outcome
            self._remember(told)
        return outcome

    def options(self, settings: Dict[str, Any], of_project: Dict[str, Any]) -> Optional[Dict[str, Any]]:
        """The plugin's options for a project: those of the destination, and over them the project's own.
        `None`: the plugin is not enabled for it."""
        own = of_project.get(self.name)
        if settings.get(PER_PROJECT) and own is None:
            return None
        own = own or {}
        if own.get(ENABLED) is False:
            return None
        return {name: each for name, each in {**settings, **own}.items() if name != PER_PROJECT}

    def _remember(self, told: Tuple[str, str]) -> None:
        with self._lock:
            self._told[told] = None
            while len(self._told) > MAX_TOLD:
                self._told.popitem(last=False)

    def _told_of(self, tell: Callable[[Any], Any], event: Any) -> Outcome:
        try:
            if not self.is_configured(event.project):
                return Rejected(f"{self.plugin.get_title()} says that it is not configured")
            returned = tell(event)
        except RateLimited as limited:
            return Retry(str(limited), after=limited.after, fault="pace")
        except Outcome as outcome:
            return outcome
        except Exception as error:
            logger.exception("the plugin failed")
            return failure(error)
        status = status_of(_Returned(returned))
        if status is not None:
            return failure(_Returned(returned))
        good = getattr(returned, "status_code", None)
        return Delivered(status=good if isinstance(good, int) else None)

    def tell(self, event: Any) -> Any:
        """As Sentry did in the year that the plugin is from."""
        one, group = self.plugin, event.group
        if overrides(one, "post_process", IPlugin):
            named = {"is_new": True, "is_sample": False, "is_regression": False}
            by_name = {"group": group, "event": event}
            return call(one.post_process, **by_name, **named)
        if not call(one.should_notify, group, event):
            raise Skipped("the plugin's should_notify said no")
        rules = event.__dict__.get("_rules", [])
        if overrides(one, "rule_notify", NotificationPlugin):
            return call(one.rule_notify, event, [RuleFuture(rule) for rule in rules])
        from .notify import Notification

        return call(one.notify, Notification(event, rules=rules), raise_exception=True)

    def _activity(self, kind: int) -> Callable[[Any], Any]:
        def tell(event: Any) -> Any:
            activity = Activity(
                type=kind, group=event.group, project=event.project, user=None, data={}, datetime=event.datetime
            )
            return self.plugin.notify_about_activity(activity)

        return tell

    def test(self, settings: Dict[str, Any], options: Dict[str, Any], projects: List[OfProject]) -> Outcome:
        """Tells of an event that is only a test, in the plugin's own way if it has one: for the project of the
        message, if it names one."""
        named = projects[0] if projects else OfProject(name="test")
        for_it = self.options(settings, named.settings)
        if for_it is None:
            return Skipped(f"{self.name} is not enabled for {named.name}")
        with _Surroundings(for_it, "") as own:
            project = Project(named.name, own)
            if overrides(self.plugin, "test_configuration", IPlugin):
                try:
                    return Delivered(text=str(self.plugin.test_configuration(project) or ""))
                except Exception as error:
                    logger.exception("the plugin's test failed")
                    return failure(error)
            event = modules._sample(project)
            event.__dict__["_rules"] = [Rule(id=1, label="test", data={}, project=None)]
            return self._told_of(self.tell, event)


class _Returned(Exception):
    """What a plugin returned, to be looked at like a failure."""

    def __init__(self, response: Any) -> None:
        status = getattr(response, "status_code", "")
        super().__init__(f"the other side answered {status}")
        self.response = response


class _Surroundings:
    """The options and the address of the hub for the delivery under way."""

    def __init__(self, options: Dict[str, Any], base: str) -> None:
        # plugins of the days of Python 2 encode what they read
        for name, value in options.items():
            if isinstance(value, str):
                options[name] = Text(value)
        self._options, self._base = options, base

    def __enter__(self) -> Dict[str, Any]:
        self._tokens = (current_options.set(self._options), current_base.set(self._base or "http://localhost"))
        return self._options

    def __exit__(self, *_: Any) -> None:
        current_options.reset(self._tokens[0])
        current_base.reset(self._tokens[1])
