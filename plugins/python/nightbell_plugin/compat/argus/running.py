"""Media of Argus as one of our plugins; imported when Django is set up."""

from __future__ import annotations

import importlib
import inspect
import logging
from types import SimpleNamespace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from django.core.exceptions import ValidationError

from ...outcomes import Invalid, Misconfigured, Outcome, Retry
from ...plugin import Plugin
from ...records import Delivery
from ...wire import last_line
from .. import djangos, schemas
from ..watch import watched
from . import NAMES
from .base import NotificationMedium
from .objects import Destination, Media, Rows, User, event_of

RECEIVERS = ("destinations", "destination")
"""What the second argument of `send` is called since Argus 1.9; before, it was a profile."""
OLD_DATA = ("instance", "serializer", "_", "self")
"""What the first argument of `validate` is called before Argus 2.10."""
logger = logging.getLogger(__name__)


def plugin_of(names: Sequence[str]) -> Plugin:
    """The plugin, with a kind of destination for each medium."""
    plugin = Plugin(settings_schema=djangos.settings_schema(**NAMES))
    media = [medium for name in names for medium in media_of(name)]
    for medium in dict.fromkeys(media):
        Kind(medium).add_to(plugin)
    plugin.on_configure(djangos.configure)
    djangos.mails_by(plugin.host)
    return plugin


def media_of(name: str) -> List[Any]:
    """The class of this name, or all media that a module of this name has itself."""
    before, _, last = name.rpartition(".")
    for module, wanted in ((name, ""), (before, last)):
        try:
            there = importlib.import_module(module) if module else None
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise
            continue
        found = [getattr(there, wanted, None)] if wanted else _own(there)
        good = [one for one in found if isinstance(one, type) and callable(getattr(one, "send", None))]
        if not good or good != found:
            raise Misconfigured(
                f"{module} has no {wanted or 'class'} that is a NotificationMedium and has send"
            )
        for one in good:
            if not getattr(one, "MEDIA_SLUG", ""):
                raise Misconfigured(f"{one.__name__} has no MEDIA_SLUG")
        return good
    raise Misconfigured(f"there is no {name}: is it in run.requirements, or in the plugin's folder?")


def _own(module: Any) -> List[Any]:
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, NotificationMedium)
        and value.__module__ == module.__name__
        and getattr(value, "MEDIA_SLUG", "")
    ]


def bound(medium: Any, name: str) -> Any:
    """A method as it is to be called: a static one and one of the class on the class, another one on an object.
    A function without `self` that is not marked as static is taken for one."""
    raw = inspect.getattr_static(medium, name)
    if isinstance(raw, (staticmethod, classmethod)):
        return getattr(medium, name)
    first = next(iter(inspect.signature(raw).parameters), "")
    return raw if first in ("event", "data") else getattr(medium(), name)


class Kind:
    """One medium as a kind of destination."""

    def __init__(self, medium: Any) -> None:
        self.medium = medium
        self.media = Media(medium.MEDIA_SLUG, getattr(medium, "MEDIA_NAME", "") or medium.MEDIA_SLUG)
        self.kind = "argus-" + "".join(c if c.isalnum() else "-" for c in self.media.slug.lower())

    def add_to(self, plugin: Plugin) -> None:
        """Adds it, with how its settings are looked at."""
        about = f"{self.media.name}, a medium for Argus"
        plugin.destination(self.kind, title=self.media.name, about=about, settings=self.schema())(
            self.deliver
        )
        plugin.validate("destination", self.kind)(self.validate)
        plugin.validate("removal", self.kind)(self.may_go)

    def schema(self) -> Dict[str, Any]:
        """The medium's own schema, or one made of its form."""
        own = getattr(self.medium, "MEDIA_JSON_SCHEMA", None)
        form = getattr(self.medium, "Form", None)
        if isinstance(own, Mapping) and own.get("properties"):
            schema = {name: value for name, value in own.items() if name not in ("$id", "$schema")}
        elif form is not None:
            schema = schemas.of_form(form)
        else:
            schema = {"properties": {}, "additionalProperties": True}
        properties = {name: dict(value) for name, value in schema["properties"].items()}
        for name, value in properties.items():
            if schemas.SECRET.search(name) or "webhook" in name or name == "destination_url":
                value["x-secret"] = True
        label = {"type": "string", "title": "Label", "maxLength": 150}
        return {**schema, "type": "object", "properties": {**properties, "label": label}}

    def destination(
        self, name: str, settings: Mapping[str, Any], owner: Optional[User] = None
    ) -> Destination:
        """Settings as a destination of Argus."""
        own = {key: value for key, value in settings.items() if key != "label" or "label" in self._keys()}
        destination = Destination(
            name, self.media, own, str(settings.get("label") or ""), owner or User("nightbell")
        )
        if not destination.label:
            try:
                destination.label = str(self.medium.get_label(destination) or name)
            except Exception as error:  # it is only a name
                logger.debug("%s has no label: %s", name, last_line(error))
                destination.label = name
        return destination

    def _keys(self) -> Sequence[str]:
        own = getattr(self.medium, "MEDIA_JSON_SCHEMA", None) or {}
        return tuple(own.get("properties") or ())

    # sending

    def deliver(self, delivery: Delivery) -> Outcome:
        """One message to one destination."""
        people = [User(person.name, person.email) for person in delivery.recipients]
        destination = self.destination(delivery.destination, delivery.settings, people[0] if people else None)
        said: List[Any] = []
        outcome = watched(lambda: said.append(self.send(event_of(delivery), Rows([destination]))))
        if outcome.name != "delivered" or not said or said[0] is None:
            # a medium that says nothing is taken at what its requests were answered
            return outcome
        return (
            outcome if said[0] else Retry(f"{self.media.name} says that it was not sent; its log may say why")
        )

    def send(self, event: Any, destinations: Rows) -> Any:
        """Calls the medium, of whichever generation it is."""
        send = bound(self.medium, "send")
        names = [
            each.name
            for each in inspect.signature(send).parameters.values()
            if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        ]
        if len(names) > 1 and "profile" in names[1]:
            owner = destinations[0].user
            profile = SimpleNamespace(
                pk=owner.pk, user=owner, destinations=destinations, active=True, name=str(owner)
            )
            address = destinations[0].settings
            profile.phone_number = address.get("phone_number")
            return send(event, profile)
        return send(event, destinations)

    # settings

    def validate(self, value: Mapping[str, Any], others: Sequence[Mapping[str, Any]] = ()) -> Dict[str, Any]:
        """The settings as the medium cleans them. `others` are those that their owner has of it already."""
        user = User("nightbell")
        for number, other in enumerate(others):
            # it is among those of its owner from here on
            self.destination(f"{self.kind}/{number}", other, user)
        keeps = "label" in value and "label" not in self._keys()
        settings = {key: each for key, each in value.items() if not (keeps and key == "label")}
        data = {"media": self.media.slug, "label": str(value.get("label") or ""), "settings": settings}
        try:
            cleaned = self._cleaned(data, user)
        except Invalid:
            raise
        except Exception as error:
            raise Invalid(_errors(error)) from error
        cleaned = schemas.plain(cleaned)
        # a field that nobody gave and that is empty is none
        cleaned = {key: each for key, each in cleaned.items() if key in settings or each not in ("", None)}
        return {**cleaned, "label": value["label"]} if keeps else cleaned

    def may_go(self, value: Mapping[str, Any]) -> None:
        """Whether the medium lets a destination go, by the method's name of today or by that of Argus 1.7."""
        destination = self.destination(self.kind, value)
        for name in ("raise_if_not_deletable", "is_deletable"):
            if not callable(getattr(self.medium, name, None)):
                continue
            try:
                said = bound(self.medium, name)(destination)
            except Exception as error:
                if type(error).__name__ != "NotDeletableError":
                    raise
                raise Invalid("", str(error) or f"{self.media.name} does not let it go") from error
            if said is False:
                raise Invalid("", f"{self.media.name} does not let it go")

    def _cleaned(self, data: Dict[str, Any], user: User) -> Mapping[str, Any]:
        if not hasattr(self.medium, "validate"):
            form = getattr(self.medium, "Form", None)
            return data["settings"] if form is None else schemas.clean(form(data["settings"]))
        validate = bound(self.medium, "validate")
        names = list(inspect.signature(validate).parameters)
        old = len(names) > 1 and (names[0] in OLD_DATA or "dict" in names[1])
        if old:
            request = SimpleNamespace(user=user, data=data)
            serializer = SimpleNamespace(context={"request": request}, instance=None, initial_data=data)
            returned = validate(*(serializer, data, user)[: len(names)])
        else:
            returned = validate(data, user) if len(names) > 1 else validate(data)
        cleaned = getattr(returned, "cleaned_data", returned)
        if not isinstance(cleaned, Mapping):
            return data["settings"]  # it looked at them, and had nothing to change
        inner = cleaned.get("settings")
        return inner if isinstance(inner, Mapping) and not old else cleaned


def _errors(error: BaseException) -> List[Tuple[str, str]]:
    """What an error about settings says, field by field: of Django, or of its REST framework."""
    if isinstance(error, ValidationError):
        found = error.message_dict if hasattr(error, "error_dict") else error.messages
    else:
        found = getattr(error, "detail", None)
        if found is None:
            raise error
    return [(path, words) for path, words in _pairs("", found)] or [("", str(error))]


def _pairs(path: str, found: Any) -> List[Tuple[str, str]]:
    if isinstance(found, Mapping):
        inner = []
        for name, value in found.items():
            own = (
                path if name in ("__all__", "non_field_errors", "settings") else f"{path}.{name}".lstrip(".")
            )
            inner += _pairs(own, value)
        return inner
    if isinstance(found, (list, tuple)):
        return [pair for value in found for pair in _pairs(path, value)]
    messages = getattr(found, "messages", None)
    return _pairs(path, list(messages)) if messages else [(path, str(found))]
