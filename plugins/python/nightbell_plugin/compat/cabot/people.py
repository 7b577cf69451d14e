"""Users and duty officers: rows made of the people of a delivery.

The number of a row is made of all that is in it. The same person with the same settings is one row, with others
another, so that deliveries side by side never see each other's.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from django.contrib.auth.models import User
from django.db import transaction

from .. import schemas
from .models import AlertPluginUserData, UserProfile, own_fields, subclasses
from .plain import slug_of

MAX_PEOPLE = 10_000
"""Rows that are kept; the ones that were not used for longest go."""
GENERAL = ("mobile_number", "hipchat_alias")
"""Fields of the profile that settings may fill."""

lock = threading.RLock()
"""Held while rows are written."""


def number(*parts: str) -> int:
    """A stable number for a row, of 48 bits: it stays exact in JavaScript too."""
    return (
        int.from_bytes(hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).digest()[:6], "big") or 1
    )


class People:
    """The people that are known to the database of this process."""

    def __init__(self, forms: Mapping[str, Any]) -> None:
        self.kinds = [
            (kind, own_fields(kind, AlertPluginUserData)) for kind in subclasses(AlertPluginUserData)
        ]
        self.forms = dict(forms)
        """Forms of the later contract, under the names of their attributes."""
        self._rows: "OrderedDict[int, User]" = OrderedDict()

    def schema(self) -> Dict[str, Any]:
        """What each person may set: the fields of all the plugins' classes; fields of one name are one."""
        found = [schemas.of_model(fields) for _, fields in self.kinds]
        found += [schemas.of_form(form) for form in self.forms.values()]
        properties: Dict[str, Any] = {}
        for schema in reversed(found):
            properties.update(schema["properties"])
        properties.setdefault("mobile_number", {"type": "string", "title": "Mobile number", "maxLength": 20})
        for each in properties.values():
            if each.get("minLength") == 1:  # of the classes that one does not use, nothing is needed
                del each["minLength"]
        return {"type": "object", "properties": properties, "additionalProperties": False}

    def forget(self) -> None:
        """Takes all people out of the database."""
        with lock:
            self._rows.clear()
            for kind in [*(kind for kind, _ in reversed(self.kinds)), AlertPluginUserData, UserProfile, User]:
                queryset = kind.objects.all()
                queryset._raw_delete(queryset.db)

    def users(self, people: Sequence[Mapping[str, Any]]) -> List[User]:
        """The rows of these people, in their order, each once."""
        with lock:
            rows = {row.pk: row for row in (self._user(person) for person in people)}
            while len(self._rows) > max(MAX_PEOPLE, len(rows)):
                User.objects.filter(pk=self._rows.popitem(last=False)[0]).delete()
        return list(rows.values())

    def _user(self, person: Mapping[str, Any]) -> User:
        name, email = str(person.get("name") or person.get("id") or ""), str(person.get("email") or "")
        settings = dict(person.get("settings") or {})
        first, _, last = name.partition(" ")
        names = (str(person.get("first_name") or first), str(person.get("last_name") or last))
        pk = number(name, email, *names, json.dumps(settings, sort_keys=True, default=str))
        if pk in self._rows:
            self._rows.move_to_end(pk)
            return self._rows[pk]
        user = User(pk=pk, username=name or email, email=email, first_name=names[0], last_name=names[1])
        user.set_unusable_password()
        with transaction.atomic():
            if not User.objects.filter(pk=pk).exists():
                user.save(force_insert=True)
                self._about(user, settings)
        for attribute, form in self.forms.items():
            values = {field: settings.get(field, made.initial) for field, made in form.base_fields.items()}
            setattr(user, attribute, SimpleNamespace(**values))
        self._rows[pk] = user
        return user

    def _about(self, user: User, settings: Mapping[str, Any]) -> None:
        general = {field: str(settings[field]) for field in GENERAL if settings.get(field)}
        profile = UserProfile.objects.create(pk=user.pk, user=user, **general)
        for kind, fields in self.kinds:
            values = _values(fields, settings)
            if values:
                kind(title=kind.name[:30], user=profile, **values).save()


def _values(fields: Tuple[Any, ...], settings: Mapping[str, Any]) -> Dict[str, Any]:
    """The settings that are for these fields; a field with a relation takes its number."""
    return {field.attname: settings[field.name] for field in fields if field.name in settings}


def attribute_of(plugin: Any) -> str:
    """Where a plugin of the later contract finds a user's settings."""
    return f"{plugin.slug or slug_of(plugin.name)}_settings"
