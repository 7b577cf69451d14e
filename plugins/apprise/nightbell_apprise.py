"""The kind of destination `apprise`: all services of the library Apprise, each by a URL of its kind."""

from __future__ import annotations

import difflib
import hashlib
import html
import logging
import threading
from collections import OrderedDict
from typing import Any, Dict, List, Set, Tuple

from nightbell_plugin import Delivered, Delivery, Invalid, Misconfigured, Outcome, Plugin, Rejected, Retry
from nightbell_plugin.compat.watch import begin, watched

try:
    from apprise import Apprise
except ModuleNotFoundError:
    raise Misconfigured("the package apprise is not installed: nightbell plugin install apprise") from None

MAX_URLS = 50
"""URLs of one destination."""
MAX_REMEMBERED = 10_000
"""Deliveries of which it is remembered what was sent, for the case that they are tried again."""
TYPES = {"resolved": "success", "acknowledged": "info", "test": "info"}
"""Apprise's types of messages that are over; the others go by their severity."""
SEVERITIES = {"critical": "failure", "error": "failure", "warning": "warning"}
begin()


class Services:
    """What Apprise says of the services that it knows."""

    def __init__(self) -> None:
        self.by_scheme: Dict[str, Dict[str, Any]] = {}
        for service in Apprise().details()["schemas"]:
            for scheme in (*(service["protocols"] or ()), *(service["secure_protocols"] or ())):
                self.by_scheme[str(scheme)] = service

    def schema(self) -> Dict[str, Any]:
        """The settings of a destination."""
        names = sorted({str(service["service_name"]) for service in self.by_scheme.values()}, key=str.lower)
        schemes = "|".join(sorted(map(_literal, self.by_scheme)))
        url = {
            "type": "string",
            "title": "URL",
            "description": "As Apprise writes them, such as slack://TokenA/TokenB/TokenC/#ops",
            "pattern": f"^({schemes})://",
            "x-secret": True,
        }
        about = f"One for each place; {len(names)} services: {', '.join(names)}"
        urls = {"type": "array", "title": "URLs", "items": url, "minItems": 1, "maxItems": MAX_URLS}
        form = {"enum": ["text", "markdown", "html"], "default": "text", "title": "Format of the text"}
        return {
            "type": "object",
            "properties": {"urls": {**urls, "description": about}, "format": form},
            "required": ["urls"],
            "additionalProperties": False,
        }

    def wrong_with(self, url: str) -> str:
        """What is wrong with a URL, in words that have nothing secret of it; empty if it is right."""
        scheme = url.partition("://")[0].lower()
        service = self.by_scheme.get(scheme)
        if service is None:
            near = difflib.get_close_matches(scheme, self.by_scheme, 1)
            return f"Apprise knows no {scheme[:20]!r}" + (f": is it {near[0]!r}?" if near else "")
        if Apprise.instantiate(url) is not None:
            return ""
        templates = [str(each).replace("{schema}", scheme) for each in service["details"]["templates"][:4]]
        return f"{service['service_name']} cannot read it: write {' or '.join(templates)}"

    def name(self, url: str) -> str:
        """What a service is called."""
        service = self.by_scheme.get(url.partition("://")[0].lower())
        return str(service["service_name"]) if service else "Apprise"


def _literal(scheme: str) -> str:
    return "".join(each if each.isalnum() else "\\" + each for each in scheme)


class Sent:
    """To which URLs a delivery went already: what is tried again goes to the others only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done: "OrderedDict[str, Set[bytes]]" = OrderedDict()

    def has(self, key: str, url: str) -> bool:
        """Whether it went there."""
        with self._lock:
            return _mark(url) in self._done.get(key, ())

    def add(self, key: str, url: str) -> None:
        """It went there."""
        with self._lock:
            self._done.setdefault(key, set()).add(_mark(url))
            while len(self._done) > MAX_REMEMBERED:
                self._done.popitem(last=False)

    def forget(self, key: str) -> None:
        """It is over."""
        with self._lock:
            self._done.pop(key, None)


def _mark(url: str) -> bytes:
    return hashlib.sha256(url.encode("utf-8", "replace")).digest()


plugin = Plugin()
services = Services()
sent = Sent()


@plugin.validate("destination", "apprise")
def validate(value: Dict[str, Any]) -> None:
    """Has Apprise read the URLs."""
    wrong = [(f"urls.{at}", services.wrong_with(url)) for at, url in enumerate(value.get("urls", []))]
    if any(why for _, why in wrong):
        raise Invalid([(path, why) for path, why in wrong if why])


@plugin.destination(
    "apprise",
    title="Apprise",
    about="More than 150 services by URL",
    docs="https://appriseit.com/services/",
    settings=services.schema(),
)
def deliver(delivery: Delivery) -> Outcome:
    """Sends a message to each URL."""
    failed: List[Tuple[str, Outcome]] = []
    for url in delivery.settings["urls"]:
        if sent.has(delivery.key, url):
            continue
        outcome = send(url, delivery)
        if isinstance(outcome, Delivered):
            sent.add(delivery.key, url)
        else:
            failed.append((services.name(url), outcome))
    again = [outcome for _, outcome in failed if isinstance(outcome, Retry)]
    if not again:
        sent.forget(delivery.key)
    if not failed:
        return Delivered()
    reason = "; ".join(f"{name}: {outcome.reason}" for name, outcome in failed)
    if again:
        return Retry(reason, status=again[-1].status, fault=again[-1].fault)
    return Rejected(reason, status=failed[-1][1].status)


def send(url: str, delivery: Delivery) -> Outcome:
    """Sends a message to one URL."""
    service = Apprise.instantiate(url)
    if service is None:
        return Rejected(services.wrong_with(url) or "Apprise cannot read the URL")
    hub = Apprise()
    hub.add(service)
    message, answered = delivery.message, []
    form = str(delivery.settings.get("format", "text"))
    kind = TYPES.get(message.kind) or SEVERITIES.get(message.severity, "info")
    arguments = {
        "title": message.title,
        "body": body_of(delivery, form),
        "notify_type": kind,
        "body_format": form,
    }
    outcome = watched(lambda: answered.append(bool(hub.notify(**arguments))))
    if answered == [False] and isinstance(outcome, Delivered):
        return Retry("it was not taken; the log may say why")
    return outcome


def body_of(delivery: Delivery, form: str) -> str:
    """The text of a message, with its facts and its link."""
    message = delivery.message
    show = html.escape if form == "html" else str
    rows = [show(message.body)] if message.body else []
    rows += [f"{show(name)}: {show(value)}" for name, value in message.facts]
    if message.link:
        rows.append(show(message.link))
    separator = {"html": "<br>\n", "markdown": "  \n"}.get(form, "\n")
    return separator.join(row for row in rows if row) or message.title


logging.getLogger("apprise").setLevel(logging.INFO)
