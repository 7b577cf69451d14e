"""`NotificationPlugin`, as it was from 2012 to 2019, and its neighbours."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import urlencode, urlsplit, urlunsplit, parse_qsl

from ..calls import call
from . import forms
from .base import Plugin, Plugin2, logger
from .objects import Thing

NOTIFICATIONS = 10
"""Notifications of one plugin for one project in `WINDOW`, as in Sentry."""
WINDOW = 60
"""Seconds."""
MAX_COUNTED = 10_000
"""Keys that are counted at once."""


class Limits:
    """Counts by key in windows of time: Sentry's `ratelimiter`."""

    def __init__(self) -> None:
        self._counts: "OrderedDict[Tuple[str, int], int]" = OrderedDict()
        self._lock = threading.Lock()

    def is_limited(self, key: str, limit: int, project: Any = None, window: int = WINDOW) -> bool:
        """Counts one more; whether that is more than the limit."""
        name = key if project is None else f"{key}/{project.id}"
        slot = (name, int(time.time()) // max(1, window))
        with self._lock:
            count = self._counts[slot] = self._counts.get(slot, 0) + 1
            while len(self._counts) > MAX_COUNTED:
                self._counts.popitem(last=False)
        return count > limit


ratelimiter = Limits()


class RateLimited(Exception):
    """More notifications than Sentry lets a plugin send; `after`: when its window ends, in seconds."""

    def __init__(self) -> None:
        super().__init__(f"more than {NOTIFICATIONS} notifications in {WINDOW} s")
        self.after = WINDOW - time.time() % WINDOW


class Notification(Thing):
    """An event, and the rules that it is told of by."""

    _name = "notification"

    def __init__(self, event: Any, rule: Any = None, rules: Optional[List[Any]] = None) -> None:
        rules = list(rules or ([rule] if rule is not None else []))
        super().__init__(event=event, rule=rule or (rules[0] if rules else None), rules=rules)


class RuleFuture(Thing):
    """A rule that matched."""

    _name = "future"

    def __init__(self, rule: Any, kwargs: Optional[Dict[str, Any]] = None) -> None:
        super().__init__(rule=rule, kwargs=kwargs or {})


class NotificationPlugin(Plugin):
    """Tells somebody of an event."""

    description = ""
    project_conf_form: Any = None

    def rule_notify(self, event: Any, futures: List[Any]) -> Any:
        """Called with the rules that matched."""
        return self.notify(Notification(event=event, rules=[future.rule for future in futures]))

    def notify(self, notification: Any, raise_exception: bool = True) -> Any:
        """Called with what to tell."""
        event = notification.event
        labels = [rule.label for rule in notification.rules]
        return call(self.notify_users, event.group, event, triggering_rules=labels, fail_silently=False)

    def notify_users(self, group: Any, event: Any, *_: Any, **__: Any) -> None:
        """To be overridden."""
        raise NotImplementedError(f"{type(self).__name__} has no notify_users")

    def notify_digest(self, project: Any, digest: Any) -> None:
        """The hub makes its own digests."""

    def notify_about_activity(self, activity: Any) -> None:
        """To be overridden."""

    def should_notify(self, group: Any, event: Any) -> bool:
        """Not when there have been too many: the hub tries again when it may."""
        key = f"{type(self).__module__}.{type(self).__qualname__}"
        if ratelimiter.is_limited(key, NOTIFICATIONS, group.project):
            logger.info("%s: too many notifications for %s", self.slug, group.project.slug)
            raise RateLimited
        return True

    def get_users(self, project: Any, *_: Any, **__: Any) -> List[Any]:
        """None: whom to tell is the hub's to know."""
        return []

    get_sendable_users = get_users

    def add_notification_referrer_param(self, url: str) -> str:
        """The address with the plugin named in it."""
        parts = urlsplit(url)
        query = urlencode([*parse_qsl(parts.query), ("referrer", self.slug)])
        return urlunsplit(parts._replace(query=query))

    def get_plugin_type(self) -> str:
        """What kind of plugin it is."""
        return "notification"

    def has_project_conf(self) -> bool:
        """It has."""
        return True


NotifyPlugin = NotificationPlugin


class BaseNotificationUserOptionsForm(forms.module.Form):  # type: ignore[misc]
    """A form of what a user may set."""

    def __init__(self, plugin: Any = None, user: Any = None, *arguments: Any, **named: Any) -> None:
        self.plugin, self.user = plugin, user
        super().__init__(*arguments, **named)


class NotificationConfigurationForm(forms.module.Form):  # type: ignore[misc]
    """A form without fields, for plugins to add to."""


NotifyConfigurationForm = NotificationConfigurationForm


class DataForwardingPlugin(Plugin):
    """Hands events on to another system."""

    def get_rate_limit(self) -> Tuple[int, int]:
        """At most so many in so many seconds."""
        return 50, 1

    def get_rl_key(self, event: Any) -> str:
        """What is counted for it."""
        return f"{self.get_conf_key()}:{event.project.organization_id}"

    def get_event_payload(self, event: Any) -> Dict[str, Any]:
        """What is handed on."""
        return dict(event.as_dict())

    def forward_event(self, event: Any, payload: Dict[str, Any], **_: Any) -> Any:
        """To be overridden."""
        raise NotImplementedError

    def post_process(self, event: Any, **named: Any) -> None:
        """Told of each event."""
        limit, window = self.get_rate_limit()
        if limit and window and ratelimiter.is_limited(self.get_rl_key(event), limit, window=window):
            raise RateLimited
        call(self.forward_event, event, self.get_event_payload(event), **named)

    def get_plugin_type(self) -> str:
        """What kind of plugin it is."""
        return "data-forwarding"


class IssuePlugin(Plugin):
    """Makes tickets: refused."""


class IssueTrackingPlugin2(Plugin2):
    """Makes tickets: refused."""


class ReleaseTrackingPlugin(Plugin2):
    """Is told of releases: refused."""


class TagPlugin(Plugin):
    """Adds tags to events: refused."""


REFUSED: Dict[type, str] = {
    IssuePlugin: "makes tickets",
    IssueTrackingPlugin2: "makes tickets",
    ReleaseTrackingPlugin: "is for releases",
    TagPlugin: "adds tags",
}
"""Kinds of plugins that have nothing to do with notifying, and why."""
