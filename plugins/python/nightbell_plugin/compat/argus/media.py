"""The media that came with Argus, for lists that name them: mail, and short messages by mail."""

from __future__ import annotations

import re
from typing import Any, Iterable

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import send_mail

from ...outcomes import Rejected
from .base import NotificationMedium, message_of, send_email_safely
from .objects import Destination, Event


class EmailNotification(NotificationMedium):
    """Mail, by the server that the settings of Django name."""

    MEDIA_SLUG = "email"
    MEDIA_NAME = "Email"
    MEDIA_SETTINGS_KEY = "email_address"
    MEDIA_JSON_SCHEMA = {
        "title": "Email settings",
        "type": "object",
        "required": ["email_address"],
        "properties": {
            "email_address": {"type": "string", "title": "Email address", "format": "email"},
            "synced": {"type": "boolean", "readOnly": True, "default": False},
        },
    }

    class Form(forms.Form):
        """The settings."""

        synced = forms.BooleanField(required=False, initial=False)
        email_address = forms.EmailField()

    @classmethod
    def send(cls, event: Event, destinations: Iterable[Destination], **kwargs: Any) -> bool:
        """A mail to each."""
        subject, text = message_of(event)
        addresses = sorted(cls.get_relevant_addresses(destinations))
        subject = " ".join(subject.split())
        for address in addresses:
            send_email_safely(lambda: send_mail(subject, text, None, [str(address)]))
        return bool(addresses)


class _Phone(forms.CharField):
    """A number with the code of its country."""

    def clean(self, value: Any) -> str:
        number = re.sub(r"[\s().-]", "", super().clean(value))
        if not re.fullmatch(r"\+[1-9]\d{5,14}", number):
            raise ValidationError("write the number with the code of its country: +4712345678")
        return number


class SMSNotification(NotificationMedium):
    """Short messages, by mails to `SMS_GATEWAY_ADDRESS`."""

    MEDIA_SLUG = "sms"
    MEDIA_NAME = "SMS"
    MEDIA_SETTINGS_KEY = "phone_number"
    MEDIA_JSON_SCHEMA = {
        "title": "SMS settings",
        "type": "object",
        "required": ["phone_number"],
        "properties": {
            "phone_number": {
                "type": "string",
                "title": "Phone number",
                "description": "With the code of its country, such as +4712345678",
            }
        },
    }

    class Form(forms.Form):
        """The settings."""

        phone_number = _Phone()

    @classmethod
    def send(cls, event: Event, destinations: Iterable[Destination], **kwargs: Any) -> bool:
        """A mail to the gateway for each."""
        gateway = settings.SMS_GATEWAY_ADDRESS
        if "@" not in gateway:
            raise Rejected("short messages need SMS_GATEWAY_ADDRESS in the plugin's settings")
        numbers = sorted(cls.get_relevant_addresses(destinations))
        for number in numbers:
            if settings.SMS_GATEWAY_MODE == "recipient":
                name, _, host = gateway.partition("@")
                subject, to = "", f"{name}+{number.lstrip('+')}@{host}"
            else:
                subject, to = f"sms {number}", gateway
            send_email_safely(lambda: send_mail(subject, str(event.description), None, [to]))
        return bool(numbers)
