"""Names that Django and Python's library had in older releases, for code that still uses them.

They exist in the plugin's process only. A name that is there is left alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from typing import Any, Dict, Mapping

PYTHON_2 = {
    "urlparse": "urllib.parse",
    "urllib2": "urllib.request",
    "httplib": "http.client",
    "Queue": "queue",
    "ConfigParser": "configparser",
    "StringIO": "io",
    "cStringIO": "io",
    "cPickle": "pickle",
    "HTMLParser": "html.parser",
    "Cookie": "http.cookies",
    "cookielib": "http.cookiejar",
}
"""Modules of Python 2, and where they went."""
BUILTINS: Dict[str, Any] = {"unicode": str, "basestring": str, "long": int, "xrange": range, "unichr": chr}
"""Built-in names of Python 2."""


class Later:
    """Serves modules under their old names when they are asked for, after all others have not found them."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = dict(names)

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """For the import system."""
        if fullname not in self.names:
            return None
        return importlib.util.spec_from_loader(fullname, self)  # type: ignore[arg-type]

    def create_module(self, spec: Any) -> types.ModuleType:
        """For the import system: a module with the names of the new one."""
        new = importlib.import_module(self.names[spec.name])
        module = types.ModuleType(spec.name)
        module.__dict__.update(
            {name: value for name, value in vars(new).items() if not name.startswith("__")}
        )
        if spec.name == "urllib2":
            from urllib import error

            module.__dict__.update(HTTPError=error.HTTPError, URLError=error.URLError)
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """For the import system."""


def python_2() -> None:
    """The library's old module names, and functions that `urllib` had itself."""
    if not any(isinstance(finder, Later) for finder in sys.meta_path):
        sys.meta_path.append(Later(PYTHON_2))  # type: ignore[arg-type]
    import urllib
    from urllib import parse, request

    for name, holder in [
        ("quote", parse),
        ("quote_plus", parse),
        ("unquote", parse),
        ("unquote_plus", parse),
        ("urlencode", parse),
        ("urlopen", request),
    ]:
        missing(urllib, name, getattr(holder, name))


def missing(module: Any, name: str, value: Any) -> None:
    """Gives a module a name that it does not have."""
    if not hasattr(module, name):
        setattr(module, name, value)


def alias(old: str, new: Any) -> None:
    """A module under a name that it had."""
    try:
        importlib.import_module(old)
    except ImportError:
        sys.modules[old] = new
        parent, _, name = old.rpartition(".")
        if parent:
            setattr(importlib.import_module(parent), name, new)


def provide() -> None:
    """All of them; Django is configured already."""
    python_2()
    import django.conf.urls
    import django.http
    import django.shortcuts
    import django.template.loader
    import django.urls
    import django.utils.encoding
    import django.utils.http
    import django.utils.translation as translation
    from django.db import models

    alias("django.core.urlresolvers", django.urls)
    missing(django.conf.urls, "url", django.urls.re_path)
    missing(django.conf.urls, "patterns", lambda prefix, *urls: list(urls))
    missing(django.shortcuts, "render_to_response", _render_to_response)
    for name in ("gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"):
        missing(
            translation, name.replace("gettext", "ugettext").replace("nug", "ung"), getattr(translation, name)
        )
    encoding = django.utils.encoding
    for name in ("force_str", "smart_str"):
        missing(encoding, name.replace("str", "text"), getattr(encoding, name))
    missing(encoding, "python_2_unicode_compatible", lambda cls: cls)
    missing(models, "NullBooleanField", _null_boolean(models))
    alias("django.utils.six", _six())
    for kind in (models.ForeignKey, models.OneToOneField):
        _on_delete(kind, models.CASCADE)


def _render_to_response(template: Any, context: Any = None, *args: Any, **kwargs: Any) -> Any:
    from django.shortcuts import render

    return render(None, template, context)


def _null_boolean(models: Any) -> Any:
    def field(*args: Any, **kwargs: Any) -> Any:
        return models.BooleanField(*args, **{"null": True, "blank": True, **kwargs})

    return field


def _on_delete(kind: Any, default: Any) -> None:
    """Relations without `on_delete` cascaded until it was asked for."""
    own = kind.__init__
    if getattr(own, "old", False):
        return

    def __init__(self: Any, to: Any, on_delete: Any = default, *args: Any, **kwargs: Any) -> None:
        own(self, to, on_delete, *args, **kwargs)

    __init__.old = True  # type: ignore[attr-defined]
    kind.__init__ = __init__


def _six() -> Any:
    """The package of this name if it is there, else the names of it that plugins use."""
    try:
        return importlib.import_module("six")
    except ImportError:
        module = types.ModuleType("django.utils.six")
        module.__dict__.update(
            PY2=False,
            PY3=True,
            string_types=(str,),
            text_type=str,
            binary_type=bytes,
            integer_types=(int,),
            iteritems=lambda items: iter(items.items()),
            itervalues=lambda items: iter(items.values()),
            iterkeys=lambda items: iter(items.keys()),
            python_2_unicode_compatible=lambda cls: cls,
        )
        return module
