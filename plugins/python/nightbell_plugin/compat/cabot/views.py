"""What check plugins take from `cabot.cabotapp.views`: bases of their pages. Nightbell makes its own of a
check's fields."""

from __future__ import annotations

from typing import Any, Dict, Tuple

from django import forms
from django.views.generic import CreateView, DetailView, ListView, UpdateView, View

base_widgets: Dict[str, Any] = {
    "name": forms.TextInput(),
    "importance": forms.RadioSelect(),
    "active": forms.CheckboxInput(),
    "debounce": forms.NumberInput(),
    "frequency": forms.NumberInput(),
}
base_fields: Tuple[str, ...] = ("name", "active", "importance", "frequency", "debounce")


class StatusCheckForm(forms.ModelForm):
    """The base of check plugins' forms."""

    symmetrical_fields = ("service_set", "instance_set")


class LoginRequiredMixin:
    """Nightbell asks for a token before a view is called."""


class BaseCommonView(View):
    """A page."""


class CheckCreateView(LoginRequiredMixin, CreateView):
    """A page on which a check is made."""

    template_name = "cabotapp/statuscheck_form.html"


class CheckUpdateView(LoginRequiredMixin, UpdateView):
    """A page on which a check is changed."""

    template_name = "cabotapp/statuscheck_form.html"


def duplicate_check(request: Any, pk: Any) -> Any:
    """Checks are copied in the configuration."""
    from django.http import HttpResponse

    return HttpResponse("checks are copied in the configuration of Nightbell", status=404)


__all__ = [
    "BaseCommonView",
    "CheckCreateView",
    "CheckUpdateView",
    "DetailView",
    "ListView",
    "LoginRequiredMixin",
    "StatusCheckForm",
    "base_fields",
    "base_widgets",
    "duplicate_check",
]
