"""The plain base class of Cabot's later contract, `cabot.plugins.models`: settings of each user are a form."""

from __future__ import annotations

import re
from typing import Any, List


class AlertPlugin:
    """`name`, `slug`, `author`, `version`, `font_icon`, `plugin_variables`, `user_config_form` and
    `send_alert`."""

    name = "noop"
    slug = ""
    author = ""
    version = "0.0.0"
    font_icon = "fa fa-code"
    plugin_variables: List[Any] = []
    user_config_form: Any = None

    def _send_alert(self, service: Any, users: Any, duty_officers: Any) -> Any:
        return self.send_alert(service, users, duty_officers)  # type: ignore[attr-defined]

    def _send_alert_update(self, service: Any, users: Any, duty_officers: Any) -> Any:
        return self.send_alert_update(service, users, duty_officers)  # type: ignore[attr-defined]


def slug_of(name: str) -> str:
    """A name as part of an attribute."""
    return re.sub(r"\W+", "_", name.lower()).strip("_") or "plugin"
