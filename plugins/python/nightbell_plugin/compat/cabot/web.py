"""The web side of Cabot: names of pages for links in messages, and views of plugins as routes."""

from __future__ import annotations

import importlib
import io
import sys
import types
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence

from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.urls import URLPattern, URLResolver, include, path, register_converter
from django.urls.resolvers import RegexPattern
from django.utils.regex_helper import normalize

from ...outcomes import Response, Retry
from ...records import Request
from .. import djangos

URLS = f"{__name__}.urls"
"""The module that Django takes for the root of all URLs."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
MAX_BODY = 512 * 1024
"""Bytes of an answer: more would not fit into a message."""


def root(link: Callable[[int], Optional[str]]) -> types.ModuleType:
    """The root of URLs. `service` leads to where Nightbell shows it; other pages have none of their own, and
    keep their paths."""

    class Link:
        regex = ".+"

        def to_python(self, value: str) -> str:
            return value

        def to_url(self, value: Any) -> str:
            return link(int(value)) or f"service/{value}/"

    register_converter(Link, "nightbell-service")
    module = types.ModuleType(URLS)
    setattr(
        module,
        "urlpatterns",
        [
            path("check/<int:pk>/", _no_page, name="check"),
            path("result/<int:pk>/", _no_page, name="result"),
            path("instance/<int:pk>/", _no_page, name="instance"),
            path("service/acknowledge_alert/<int:pk>/", _no_page, name="acknowledge-alert"),
            path("services/", _no_page, name="services"),
            path("", _no_page, name="dashboard"),
            path("<nightbell-service:pk>", _no_page, name="service"),
        ],
    )
    sys.modules[URLS] = module
    return module


def _no_page(request: Any, **arguments: Any) -> HttpResponse:
    return HttpResponse("Nightbell has its own pages", status=404, content_type="text/plain")


def mount(packages: Sequence[str], plugin_id: str) -> List[str]:
    """Puts the URLs of the packages that have some under the plugin's own. Returns the routes."""
    routes: List[str] = []
    urls = sys.modules[URLS].urlpatterns  # type: ignore[attr-defined]
    for package in packages:
        try:
            module = importlib.import_module(f"{package}.urls")
        except ModuleNotFoundError as error:
            if error.name != f"{package}.urls":
                raise
            continue
        own = f"{package}/" if len(packages) > 1 else ""
        urls.insert(0, path(f"plugins/{plugin_id}/{own}", include(module.urlpatterns)))
        routes += [f"/{own}{each}" for each in _paths(module.urlpatterns)]
    return list(dict.fromkeys(routes))


def _paths(patterns: Iterable[Any], before: str = "") -> List[str]:
    """The paths of URL patterns, with `<name>` for what varies."""
    found: List[str] = []
    for each in patterns:
        for one in _written(each.pattern):
            if isinstance(each, URLResolver):
                found += _paths(each.url_patterns, before + one)
            elif isinstance(each, URLPattern):
                found.append(before + one)
    return found


def _written(pattern: Any) -> List[str]:
    regex = pattern.regex.pattern if isinstance(pattern, RegexPattern) else None
    if regex is None:
        parts = str(pattern).split("/")
        return [
            "/".join(f"<{part[1:-1].split(':')[-1]}>" if part.startswith("<") else part for part in parts)
        ]
    return [text % {name: f"<{name}>" for name in names} for text, names in normalize(regex)]


def answer(request: Request, plugin_id: str) -> Response:
    """Has a view of Django answer."""
    body = request.body
    environ: Dict[str, Any] = {
        "REQUEST_METHOD": request.method.upper(),
        "SCRIPT_NAME": "",
        "PATH_INFO": f"/plugins/{plugin_id}/{request.path.lstrip('/')}",
        "QUERY_STRING": request.query,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": settings.WWW_HTTP_HOST.partition("/")[0] or "localhost",
        "SERVER_PORT": "443" if settings.WWW_SCHEME == "https" else "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": settings.WWW_SCHEME,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
    }
    for name, value in request.headers.items():
        environ.setdefault("HTTP_" + name.upper().replace("-", "_"), value)
    with djangos.database():
        asked = WSGIRequest(environ)
        asked.user = _user(request)
        handler = BaseHandler()
        handler.load_middleware()
        answered = handler.get_response(asked)
        content = b"".join(answered.streaming_content) if answered.streaming else answered.content
    if len(content) > MAX_BODY:
        return Response(f"the answer is longer than {MAX_BODY} bytes", status=500)
    return Response(bytes(content), answered.status_code, dict(answered.items()))


def _user(request: Request) -> Any:
    from django.contrib.auth.models import AnonymousUser, User

    name = request.principal.get("name")
    return User(username=name) if name else AnonymousUser()


def acknowledge(plugin: Any, service: Any, user: Any) -> None:
    """Acknowledges a service's incidents in Nightbell, in the name of this user. Called in threads."""
    by = getattr(user, "username", "") or getattr(user, "email", "") or str(user or "")
    incidents = service.incidents
    if not incidents:
        raise Retry(f"{service.name} has no open incident")
    for incident in incidents:
        plugin.host.wait(plugin.host.incident.act(incident, "acknowledge", by=by))
