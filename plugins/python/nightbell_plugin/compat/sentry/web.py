"""Sentry's helpers for requests, addresses and JSON."""

from __future__ import annotations

import contextvars
import datetime
import decimal
import hashlib
import json as standard_json
import urllib.error
import urllib.request
import uuid
from typing import Any, Optional
from urllib.parse import urlencode, urljoin, urlsplit

USER_AGENT = "nightbell (sentry plugin)"
SECONDS = 30
"""How long the other side may take, when a plugin does not say."""
MAX_BODY = 1 << 20
"""Bytes of an answer that are read."""

current_base: contextvars.ContextVar[str] = contextvars.ContextVar("base", default="http://localhost")
"""Where people reach the hub, for the delivery under way."""


class UrlNotAllowed(Exception):
    """The address is none that may be asked."""


class Answer:
    """An answer as `requests` has it, for environments without."""

    def __init__(self, status: int, headers: Any, content: bytes, url: str) -> None:
        self.status_code, self.headers, self.content, self.url = status, headers, content, url
        self.ok = status < 400

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON."""
        return standard_json.loads(self.content)

    def raise_for_status(self) -> None:
        """An `HTTPError` for 4xx and 5xx."""
        if not self.ok:
            error = OSError(f"{self.status_code} for {self.url}")
            error.response = self  # type: ignore[attr-defined]
            raise error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Not followed."""


def build_session() -> Any:
    """A session of `requests` that does not wait for ever."""
    import requests

    class Session(requests.Session):
        def request(self, *arguments: Any, **named: Any) -> Any:
            """As theirs, with a time limit."""
            if named.get("timeout") is None:
                named["timeout"] = SECONDS
            return super().request(*arguments, **named)

    session = Session()
    session.headers["User-Agent"] = USER_AGENT
    return session


def safe_urlopen(
    url: str,
    method: Optional[str] = None,
    params: Any = None,
    data: Any = None,
    json: Any = None,
    headers: Any = None,
    allow_redirects: bool = False,
    timeout: float = SECONDS,
    verify_ssl: bool = True,
    user_agent: Optional[str] = None,
) -> Any:
    """Asks another server."""
    if not is_valid_url(url):
        raise UrlNotAllowed(f"{url!r} is not an address of the web")
    headers = {"User-Agent": user_agent or USER_AGENT, **(headers or {})}
    if json is not None:
        data, headers = dumps(json), {"Content-Type": "application/json", **headers}
    method = method or ("GET" if data is None else "POST")
    try:
        import requests
    except ImportError:
        pass
    else:
        return requests.request(
            method,
            url,
            params=params,
            data=data,
            headers=headers,
            allow_redirects=allow_redirects,
            timeout=timeout,
            verify=verify_ssl,
        )
    if params:
        url += ("&" if urlsplit(url).query else "?") + urlencode(params)
    if isinstance(data, (dict, list, tuple)):
        data = urlencode(data)
    body = data.encode() if isinstance(data, str) else data
    opener = urllib.request.build_opener(*([] if allow_redirects else [_NoRedirect()]))
    asked = urllib.request.Request(url, data=body, headers=headers, method=method)
    try:
        with opener.open(asked, timeout=timeout) as answer:
            return Answer(answer.status, answer.headers, answer.read(MAX_BODY), url)
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read(MAX_BODY), url)


def safe_urlread(response: Any) -> bytes:
    """The body of an answer."""
    return bytes(response.content)


def is_valid_url(url: str) -> bool:
    """Whether it is an address of the web; what may be reached is the hub's to say."""
    parts = urlsplit(str(url))
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def is_safe_hostname(hostname: Optional[str]) -> bool:
    """Whether there is a name; what may be reached is the hub's to say."""
    return bool(hostname)


def is_same_domain(one: str, other: str) -> bool:
    """Whether both addresses have one scheme, host and port."""
    return urlsplit(one)[:2] == urlsplit(other)[:2]


def absolute_uri(url: Optional[str] = None) -> str:
    """The address under which people reach this path of the hub."""
    base = current_base.get()
    return urljoin(base.rstrip("/") + "/", url.lstrip("/") if url and "://" not in url else url or "") if url else base


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, (uuid.UUID, decimal.Decimal)):
        return str(value)
    if callable(getattr(value, "to_json", None)):
        return value.to_json()
    return str(value)


def dumps(value: Any, escape: bool = False, **named: Any) -> str:
    """JSON, in which bytes are text, as they were in the days of Python 2."""
    named.setdefault("default", _plain)
    named.setdefault("separators", (",", ":"))
    text = standard_json.dumps(value, **named)
    if escape:
        for letter in "<>&'":
            text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def loads(text: Any, **named: Any) -> Any:
    """What JSON says."""
    return standard_json.loads(text, **named)


def md5_text(*arguments: Any) -> Any:
    """The MD5 of texts."""
    made = hashlib.md5()
    for each in arguments:
        made.update(each if isinstance(each, bytes) else str(each).encode())
    return made


def sha1_text(*arguments: Any) -> Any:
    """The SHA-1 of texts."""
    made = hashlib.sha1()
    for each in arguments:
        made.update(each if isinstance(each, bytes) else str(each).encode())
    return made
