"""`argus.notificationprofile.media.base`: what media are made of."""

from __future__ import annotations

import logging
from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string

from ...outcomes import Rejected
from .objects import COLUMNS, Destination, Event

try:
    from apprise import Apprise
except ImportError:
    Apprise = None
API_STABLE_VERSION = "v2"
logger = logging.getLogger(__name__)


class CommonDestinationConfigForm(forms.Form):
    """What destinations of all media have."""

    media = forms.CharField(required=True)
    label = forms.CharField(required=False, max_length=150)


class NotificationMedium:
    """The base of media. One has `MEDIA_SLUG`, `MEDIA_NAME`, `MEDIA_SETTINGS_KEY`, `MEDIA_JSON_SCHEMA`, a
    `Form`, and `send`."""

    class NotDeletableError(Exception):
        """A destination cannot be deleted."""

    MEDIA_SLUG = ""
    MEDIA_NAME = ""
    MEDIA_SETTINGS_KEY = ""
    MEDIA_JSON_SCHEMA: Dict[str, Any] = {}
    Form: Any = None
    error_messages = {
        "readonly_media": "the medium cannot be changed",
        "settings_type": "settings are an object",
    }

    def __init__(self, version: str = API_STABLE_VERSION) -> None:
        self.version = version

    @classmethod
    def validate(cls, data: Dict[str, Any], user: Any, instance: Any = None) -> Any:
        """A form with `label`, `media`, `settings` and `user` in its `cleaned_data`; raises `ValidationError`."""
        form = CommonDestinationConfigForm({"media": cls.MEDIA_SLUG, **data})
        if not form.is_valid():
            raise ValidationError(dict(form.errors))
        cleaned = cls.validate_settings(data, user, instance)
        form.cleaned_data.update(settings=cleaned, user=user)
        return form

    @classmethod
    def validate_instance(cls, data: Dict[str, Any], user: Any, instance: Any) -> None:
        """Refuses another medium for a destination that is there."""
        if instance is not None and data.get("media", instance.media_id) != instance.media_id:
            raise ValidationError({"media": cls.error_messages["readonly_media"]})

    @classmethod
    def validate_settings(cls, data: Dict[str, Any], user: Any, instance: Any = None) -> Dict[str, Any]:
        """The settings, cleaned by `Form`."""
        settings = data.get("settings")
        if not isinstance(settings, dict):
            raise ValidationError({"settings": cls.error_messages["settings_type"]})
        if cls.Form is None:
            return dict(settings)
        form = cls.Form(settings)
        if not form.is_valid():
            raise ValidationError(dict(form.errors))
        cleaned = dict(form.cleaned_data)
        if cls.has_duplicate(user.destinations, cleaned):
            raise ValidationError({cls.MEDIA_SETTINGS_KEY: f"{cls.MEDIA_NAME} has this already"})
        return cleaned

    @classmethod
    def has_duplicate(cls, queryset: Any, settings: Dict[str, Any]) -> bool:
        """Whether somebody has such a destination already."""
        key = cls.MEDIA_SETTINGS_KEY
        found = queryset.filter(**{"media_id": cls.MEDIA_SLUG, f"settings__{key}": settings.get(key)})
        return bool(found.exists())

    @classmethod
    def get_label(cls, destination: Any) -> str:
        """What a destination may be called."""
        return str(destination.settings.get(cls.MEDIA_SETTINGS_KEY, ""))

    @classmethod
    def get_relevant_address(cls, destination: Any) -> Any:
        """Where a destination leads to."""
        return destination.settings[cls.MEDIA_SETTINGS_KEY]

    @classmethod
    def get_relevant_destinations(cls, destinations: Iterable[Any]) -> Set[Any]:
        """Those of this medium."""
        return {each for each in destinations if each.media_id == cls.MEDIA_SLUG}

    @classmethod
    def get_relevant_addresses(cls, destinations: Iterable[Any]) -> Set[Any]:
        """Where those of this medium lead to."""
        return {cls.get_relevant_address(each) for each in cls.get_relevant_destinations(destinations)}

    @classmethod
    def raise_if_not_deletable(cls, destination: Any) -> None:
        """Destinations lie in the configuration: whoever writes it may delete them."""

    @classmethod
    def is_deletable(cls, destination: Any) -> bool:
        """As above, under its older name."""
        return True

    @staticmethod
    def update(destination: Any, validated_data: Dict[str, Any]) -> Any:
        """What is left of a change when a medium has done its part: nothing to do."""
        return None


def modelinstance_to_dict(obj: Any) -> Dict[str, Any]:
    """The columns of an object under their names."""
    return {name: value for name, value in vars(obj).items() if not name.startswith("_")}


def message_of(event: Event) -> Tuple[str, str]:
    """Subject and text for an event: of a template `notificationprofile/email.txt` if the plugins bring one."""
    from django.conf import settings
    from django.template.exceptions import TemplateDoesNotExist

    subject = f"{settings.NOTIFICATION_SUBJECT_PREFIX}{event}"
    incident = modelinstance_to_dict(event.incident)
    incident["details_url"] = event.incident.pp_details_url()
    if event.incident.open:
        incident["end_time"] = "Still open"
    context: Dict[str, Any] = {
        "subject": subject,
        "title": str(event),
        "event": event,
        "incident_dict": {name: incident[name] for name in COLUMNS},
        "expiration": getattr(getattr(event, "ack", None), "expiration", None),
    }
    try:
        return subject, render_to_string("notificationprofile/email.txt", context)
    except TemplateDoesNotExist:
        rows: List[str] = [str(event), ""]
        rows += [
            f"{name}: {value}" for name, value in context["incident_dict"].items() if value not in ("", None)
        ]
        return subject, "\n".join(rows) + "\n"


class AppriseMedium(NotificationMedium):
    """The base of media that send through Apprise: their settings have a URL of its kind."""

    MEDIA_SETTINGS_KEY = "destination_url"
    MEDIA_JSON_SCHEMA = {
        "title": "Apprise settings",
        "type": "object",
        "required": ["destination_url"],
        "properties": {"destination_url": {"type": "string", "title": "URL"}},
    }

    class Form(forms.Form):
        """The settings."""

        destination_url = forms.CharField()

    @classmethod
    def create_message_context(cls, event: Event) -> Tuple[str, str]:
        """Subject and message."""
        return message_of(event)

    @classmethod
    def send(
        cls, event: Event, destinations: Iterable[Destination], notify_type: Any = None, **kwargs: Any
    ) -> bool:
        """Sends it; whether all went well."""
        addresses = sorted(cls.get_relevant_addresses(destinations))
        if not addresses:
            return False
        if Apprise is None:
            raise Rejected(
                "this medium needs Apprise: put `apprise` into run.requirements and install it again"
            )
        subject, message = cls.create_message_context(event)
        apprise = Apprise()
        for address in addresses:
            if not apprise.add(str(address)):
                raise Rejected("Apprise cannot read the URL of this destination")
        given = {} if notify_type is None else {"notify_type": notify_type}
        return bool(apprise.notify(title=subject, body=message, **given))


def notifications_enabled() -> bool:
    """They are: whether to send is decided by Nightbell."""
    return True


def send_email_safely(
    function: Any, additional_error: Optional[str] = None, *args: Any, **kwargs: Any
) -> Any:
    """Sends a mail; what fails is told, and fails."""
    try:
        return function(*args, **kwargs)
    except Exception:
        logger.error("%s", additional_error or "a mail could not be sent")
        raise


__all__ = [
    "API_STABLE_VERSION",
    "Apprise",
    "AppriseMedium",
    "CommonDestinationConfigForm",
    "NotificationMedium",
    "message_of",
    "modelinstance_to_dict",
    "notifications_enabled",
    "send_email_safely",
]
