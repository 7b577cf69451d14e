"""Calling functions whose signatures changed over the years, and reading what their failures mean."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Iterator, Optional, Set

from ..outcomes import Outcome, Rejected, Retry
from ..wire import last_line

TRY_AGAIN = (408, 409, 423, 425, 429)
"""Statuses of HTTP below 500 that may be another one next time."""
MAX_CAUSES = 10
"""How far causes of an exception are followed."""


def call(function: Callable[..., Any], /, *positional: Any, **named: Any) -> Any:
    """Calls it with as much of what is there as its signature takes: named values where it knows the
    name (all, if it takes any), and the positional ones in the places that are left, as far as there are
    some."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # built in: no signature to look at
        return function(*positional, **named)
    any_name = any(each.kind is each.VAR_KEYWORD for each in parameters)
    names = {each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)}
    chosen = {name: value for name, value in named.items() if any_name or name in names}
    if any(each.kind in (each.VAR_POSITIONAL, each.POSITIONAL_ONLY) for each in parameters):
        return function(*positional, **chosen)
    places = [
        each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD and each.name not in chosen
    ]
    return function(**dict(zip(places, positional)), **chosen)


def overrides(thing: Any, name: str, base: type) -> bool:
    """Whether a class (or the class of an object) has a method of its own in place of the base's."""
    kind = thing if isinstance(thing, type) else type(thing)
    return getattr(kind, name, None) is not getattr(base, name, None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: Set[int] = set()
    at: Optional[BaseException] = error
    while at is not None and id(at) not in seen and len(seen) < MAX_CAUSES:
        seen.add(id(at))
        yield at
        at = at.__cause__ or at.__context__


def status_of(error: BaseException) -> Optional[int]:
    """The status of HTTP that an exception, or one that it came from, speaks of."""
    for each in _chain(error):
        response = getattr(each, "response", None)
        for holder, name in ((response, "status_code"), (each, "status_code"), (each, "status"), (each, "code")):
            status = getattr(holder, name, None)
            if isinstance(status, int) and 400 <= status <= 599:
                return status
    return None


def failure(error: BaseException) -> Outcome:
    """What the failure of a call means: not ever for most 4xx and for what Nightbell does not have, else
    not this time."""
    if isinstance(error, Outcome):
        return error
    status = status_of(error)
    text = str(getattr(getattr(error, "response", None), "text", "") or "")
    if status is not None and status < 500 and status not in TRY_AGAIN:
        return Rejected(last_line(error), status=status, text=text)
    if any(isinstance(each, NotProvided) for each in _chain(error)):
        return Rejected(last_line(error))
    pace = "pace" if status == 429 else ""
    return Retry(last_line(error), status=status, text=text, fault=pace)


class NotProvided(AttributeError, NotImplementedError):
    """A plugin asked for something of another system that Nightbell does not have."""
