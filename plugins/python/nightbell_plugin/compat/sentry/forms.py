"""Fields of options: from forms of Django, real or our own few, to the schema of a destination."""

from __future__ import annotations

import importlib.util
import math
import re
import types
from collections import OrderedDict
from typing import Any, Dict, List, Optional, Tuple

KINDS = {
    "EmailField": "email",
    "URLField": "url",
    "IntegerField": "number",
    "FloatField": "number",
    "DecimalField": "number",
    "BooleanField": "bool",
    "NullBooleanField": "bool",
    "ChoiceField": "select",
    "TypedChoiceField": "select",
}
"""Types of options by the class of their field."""


class ValidationError(Exception):
    """A value is wrong."""

    def __init__(self, message: Any, code: Optional[str] = None, params: Any = None) -> None:
        messages = message if isinstance(message, (list, tuple)) else [message]
        self.messages = [str(each) % params if params else str(each) for each in messages]
        super().__init__("; ".join(self.messages))
        self.code = code


class Widget:
    """How a field is shown."""

    def __init__(self, attrs: Optional[Dict[str, Any]] = None, **_: Any) -> None:
        self.attrs = dict(attrs or {})


class TextInput(Widget):
    """A line."""


class Textarea(Widget):
    """Lines."""


class PasswordInput(Widget):
    """A secret."""


class Select(Widget):
    """A choice."""


class CheckboxInput(Widget):
    """A switch."""


class HiddenInput(Widget):
    """Not shown."""


class Field:
    """A value of a form."""

    widget: Any = TextInput
    made = 0

    def __init__(
        self,
        required: bool = True,
        label: Any = None,
        help_text: Any = "",
        initial: Any = None,
        widget: Any = None,
        choices: Any = (),
        max_length: Optional[int] = None,
        **_: Any,
    ) -> None:
        Field.made += 1
        self.order = Field.made
        widget = widget or self.widget
        self.required, self.label, self.help_text, self.initial = required, label, help_text, initial
        self.widget = widget() if isinstance(widget, type) else widget
        self.choices, self.max_length = list(choices), max_length

    def clean(self, value: Any) -> Any:
        """The value as Python has it."""
        if value in (None, ""):
            if self.required:
                raise ValidationError("This field is required.")
            return self.empty()
        return self.to_python(value)

    def empty(self) -> Any:
        """What stands for nothing."""
        return ""

    def to_python(self, value: Any) -> Any:
        """Text."""
        text = str(value)
        if self.max_length is not None and len(text) > self.max_length:
            raise ValidationError(f"Ensure this value has at most {self.max_length} characters.")
        return text


class CharField(Field):
    """Text."""


class EmailField(Field):
    """An address of mail."""

    def to_python(self, value: Any) -> Any:
        """The address."""
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", str(value)):
            raise ValidationError("Enter a valid email address.")
        return super().to_python(value)


class URLField(Field):
    """An address of the web."""

    def to_python(self, value: Any) -> Any:
        """The address."""
        if not re.match(r"https?://[^\s/]+", str(value)):
            raise ValidationError("Enter a valid URL.")
        return super().to_python(value)


class IntegerField(Field):
    """A whole number."""

    def empty(self) -> Any:
        """None."""
        return None

    def to_python(self, value: Any) -> Any:
        """The number."""
        try:
            return int(value)
        except (TypeError, ValueError):
            raise ValidationError("Enter a whole number.") from None


class BooleanField(Field):
    """A switch."""

    widget: Any = CheckboxInput

    def clean(self, value: Any) -> Any:
        """Whether it is on."""
        return value in (True, "true", "True", "on", "1", 1)


class ChoiceField(Field):
    """One of several."""

    widget: Any = Select

    def to_python(self, value: Any) -> Any:
        """The choice."""
        if str(value) not in [str(key) for key, _ in self.choices]:
            raise ValidationError(f"{value} is not one of the available choices.")
        return str(value)


class MultipleChoiceField(ChoiceField):
    """Some of several."""

    def to_python(self, value: Any) -> Any:
        """The choices."""
        return [super(MultipleChoiceField, self).to_python(each) for each in value]


class _Fields(type):
    def __new__(cls, name: str, bases: Tuple[type, ...], attributes: Dict[str, Any]) -> Any:
        own = sorted(
            ((key, value) for key, value in attributes.items() if isinstance(value, Field)),
            key=lambda pair: pair[1].order,
        )
        made: Any = super().__new__(cls, name, bases, attributes)
        inherited = [pair for base in reversed(bases) for pair in getattr(base, "base_fields", {}).items()]
        made.base_fields = OrderedDict([*inherited, *own])
        return made


class Form(metaclass=_Fields):
    """Fields together."""

    base_fields: Dict[str, Any]

    def __init__(self, data: Any = None, files: Any = None, *_: Any, initial: Any = None, **__: Any) -> None:
        self.data, self.initial = data or {}, initial or {}
        self.fields = OrderedDict(self.base_fields)
        self.errors: Dict[str, List[str]] = {}
        self.cleaned_data: Dict[str, Any] = {}

    def is_valid(self) -> bool:
        """Looks at all; what is wrong is in `errors`."""
        self.errors, self.cleaned_data = {}, {}
        for name, field in self.fields.items():
            try:
                self.cleaned_data[name] = field.clean(self.data.get(name))
                clean = getattr(self, f"clean_{name}", None)
                if clean is not None:
                    self.cleaned_data[name] = clean()
            except ValidationError as error:
                self.errors[name] = error.messages
                self.cleaned_data.pop(name, None)
        try:
            cleaned = self.clean()
            self.cleaned_data = self.cleaned_data if cleaned is None else cleaned
        except ValidationError as error:
            self.errors["__all__"] = error.messages
        return not self.errors

    def clean(self) -> Any:
        """Looks at the whole."""
        return self.cleaned_data


def _forms() -> Any:
    """Django's forms where Django is installed, else our own few."""
    if importlib.util.find_spec("django") is not None:
        import django.conf

        if not django.conf.settings.configured:
            django.conf.settings.configure(USE_I18N=False)
        import django.forms

        return django.forms
    ours = (Widget, TextInput, Textarea, PasswordInput, Select, CheckboxInput, HiddenInput, Field, CharField)
    more = (EmailField, URLField, IntegerField, BooleanField, ChoiceField, MultipleChoiceField, Form, ValidationError)
    module = types.ModuleType("django.forms")
    for each in ours + more:
        setattr(module, each.__name__, each)
    return module


module: Any = _forms()


def fields_of_form(form: Any) -> List[Dict[str, Any]]:
    """The fields of a form, as `get_config` lists them."""
    fields = []
    for name, field in getattr(form, "base_fields", {}).items():
        widget = type(field.widget).__name__
        kind = "string"
        for each in type(field).__mro__:
            if each.__name__ in KINDS:
                kind = KINDS[each.__name__]
                break
        kind = {"PasswordInput": "secret", "Textarea": "textarea"}.get(widget, kind)
        fields.append(
            {
                "name": name,
                "label": str(field.label or name),
                "type": kind,
                "required": field.required and kind != "bool",
                "help": str(field.help_text or ""),
                "placeholder": getattr(field.widget, "attrs", {}).get("placeholder"),
                "default": field.initial,
                "choices": list(getattr(field, "choices", ()) or ()),
            }
        )
    return fields


def default_of(value: Any, kind: str) -> Any:
    """The default of an option, as its type has it; none if it is none."""
    if callable(value):
        value = value()
    if value is None:
        return None
    if kind in ("bool", "boolean"):
        return bool(value)
    if kind != "number":
        return str(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number


def schema_of(fields: List[Dict[str, Any]]) -> Dict[str, Any]:
    """JSON Schema of a plugin's options."""
    schema: Dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
    required = []
    for field in fields:
        name, kind = str(field["name"]), field.get("type", "string")
        said = {
            "title": field.get("label"),
            "description": field.get("help"),
            "default": default_of(field.get("default"), kind),
            "examples": [str(field["placeholder"])] if field.get("placeholder") else None,
        }
        if kind in ("bool", "boolean"):
            said["type"] = "boolean"
        elif kind == "number":
            said["type"] = "number"
        else:
            said["type"] = "string"
        if kind == "secret":
            said["x-secret"] = True
        if kind in ("select", "choice") and field.get("choices"):
            said["oneOf"] = [{"const": str(key), "title": str(text)} for key, text in field["choices"]]
        schema["properties"][name] = {key: value for key, value in said.items() if value not in (None, "", [])}
        if field.get("required") and field.get("default") in (None, ""):
            required.append(name)
    if required:
        schema["required"] = required
    return schema


def wrong_with(form: Any, value: Dict[str, Any]) -> List[Tuple[str, str]]:
    """What a form says is wrong with these options, as path and message."""
    if form is None:
        return []
    bound = form(value)
    if bound.is_valid():
        return []
    return [
        ("" if name == "__all__" else name, "; ".join(str(each) for each in errors))
        for name, errors in bound.errors.items()
    ]
