"""JSON Schema made of the fields of Django's forms and models, and values read through them."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from ..outcomes import Invalid

Schema = Dict[str, Any]
SECRET = re.compile(
    r"(^|_)(password|passwd|secret|token|api_?key|auth_?key|private_?key)(_|$)", re.IGNORECASE
)
"""Names of fields that are not to be shown."""
MAX_CHOICES = 500
"""More are not written into a schema; the form refuses what is none of them."""


def of_form(form: Any) -> Schema:
    """The schema of a form class, or of a form."""
    fields = getattr(form, "base_fields", None) or form.fields
    return of_fields(fields.items(), getattr(form, "__doc__", None))


def of_model(fields: Iterable[Any]) -> Schema:
    """The schema of a model's fields."""
    pairs = []
    for field in fields:
        made = field.formfield()
        if made is not None:
            if field.has_default() and not callable(field.default):
                made.initial = field.default
            pairs.append((field.name, made))
    return of_fields(pairs)


def of_fields(fields: Iterable[Tuple[str, Any]], about: Optional[str] = None) -> Schema:
    """The schema of form fields under their names."""
    properties: Dict[str, Schema] = {}
    required: List[str] = []
    for name, field in fields:
        properties[name] = of_field(name, field)
        if field.required and "default" not in properties[name] and properties[name].get("type") != "boolean":
            required.append(name)
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    return schema


def of_field(name: str, field: Any) -> Schema:
    """The schema of one form field."""
    from django import forms

    schema: Schema = _kind(field, forms)
    if field.label:
        schema["title"] = str(field.label)
    if field.help_text:
        schema["description"] = str(field.help_text)
    initial = field.initial
    if isinstance(initial, (str, int, float, bool)) and initial != "":
        schema["default"] = initial
    if isinstance(field.widget, forms.PasswordInput) or SECRET.search(name):
        schema["x-secret"] = True
    return schema


def _kind(field: Any, forms: Any) -> Schema:
    if isinstance(field, forms.ModelMultipleChoiceField):
        return {"type": "array", "items": {"type": "integer"}}
    if isinstance(field, forms.ModelChoiceField):
        return {"type": "integer"}
    if isinstance(field, forms.MultipleChoiceField):
        return {"type": "array", "items": _choices(field)}
    if isinstance(field, forms.ChoiceField):
        return _choices(field)
    if isinstance(field, forms.NullBooleanField):
        return {"type": ["boolean", "null"]}
    if isinstance(field, forms.BooleanField):
        return {"type": "boolean"}
    if isinstance(field, (forms.FloatField, forms.DecimalField)):
        return _numbers("number", field)
    if isinstance(field, forms.IntegerField):
        return _numbers("integer", field)
    if isinstance(field, forms.JSONField):
        return {}
    schema: Schema = {"type": "string"}
    if isinstance(field, forms.EmailField):
        schema["format"] = "email"
    if isinstance(field, forms.URLField):
        schema["format"] = "uri"
    for wanted, given in (("maxLength", "max_length"), ("minLength", "min_length")):
        if getattr(field, given, None) is not None:
            schema[wanted] = getattr(field, given)
    if field.required:
        schema.setdefault("minLength", 1)
    return schema


def _numbers(kind: str, field: Any) -> Schema:
    schema: Schema = {"type": kind}
    for wanted, given in (("minimum", field.min_value), ("maximum", field.max_value)):
        if isinstance(given, (int, float)):
            schema[wanted] = given
    return schema


def _choices(field: Any) -> Schema:
    values: List[Any] = []
    for value, label in field.choices:
        values += [each for each, _ in label] if isinstance(label, (list, tuple)) else [value]
    values = [value for value in values if value not in ("", None)]
    if not values or len(values) > MAX_CHOICES:
        return {"type": "string"}
    return {"enum": values}


def clean(form: Any) -> Dict[str, Any]:
    """What a form makes of its data; `Invalid` with its words otherwise."""
    if form.is_valid():
        return dict(form.cleaned_data)
    raise Invalid(errors(form.errors))


def errors(found: Mapping[str, Iterable[Any]], prefix: str = "") -> List[Tuple[str, str]]:
    """A form's errors as pairs of path and words."""
    pairs = []
    for name, words in found.items():
        path = prefix if name in ("__all__", "non_field_errors") else f"{prefix}.{name}".lstrip(".")
        pairs += [(path, str(each)) for each in words]
    return pairs


def plain(values: Mapping[str, Any]) -> Dict[str, Any]:
    """Cleaned values as JSON can carry them."""
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float, bool)):
        return value if not isinstance(value, str) else str(value)
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, (list, tuple, set)):
        return [_plain(each) for each in value]
    return getattr(value, "pk", None) or str(value)
