"""What a plugin provides: a `Plugin`, and decorators that put functions into it."""

from __future__ import annotations

import functools
import inspect
import threading
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, TypeVar

from .host import Host

F = TypeVar("F", bound=Callable[..., Any])
Schema = Dict[str, Any]


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it gives something to await."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an object may be callable by an async method
    )


class Provided:
    """A function, and what the host is told of it."""

    def __init__(self, function: Callable[..., Any], facts: Dict[str, Any]) -> None:
        self.function = function
        self.is_async = is_async(function)
        self.facts = {name: value for name, value in facts.items() if value is not None}


class Plugin:
    """A plugin. Functions that are not `async` run in threads.

    The three schemas are JSON Schema: of the plugin's own settings, of what each person may set, and of
    what may be set for each project or service.
    """

    def __init__(
        self,
        *,
        settings_schema: Optional[Schema] = None,
        user_schema: Optional[Schema] = None,
        project_schema: Optional[Schema] = None,
    ) -> None:
        self.schemas: Dict[str, Optional[Schema]] = {
            "settings": settings_schema,
            "user": user_schema,
            "project": project_schema,
        }
        self.settings: Dict[str, Any] = {}
        """The plugin's own settings, as they are now."""
        self.host = Host()
        """What may be asked of the host."""
        self.id = ""
        """What the plugin is called; known from the first word of the host on."""
        self.folder = ""
        """Where its files lie."""
        self.state = ""
        """The folder that it may write to."""
        self.stopping = threading.Event()
        """Set when the plugin is to end: for work in threads, which cannot be cancelled."""
        self.destinations: Dict[str, Provided] = {}
        self.subscriptions: Dict[str, Provided] = {}
        self.routes: Dict[str, List[Provided]] = {}
        self.checks: Dict[str, Provided] = {}
        self.tests: Dict[str, Provided] = {}
        self.validators: Dict[Tuple[str, str], Provided] = {}
        self.ticketer: Optional[Provided] = None
        self.backgrounds: List[Provided] = []
        self.configurers: List[Provided] = []
        self.starters: List[Provided] = []
        self.stoppers: List[Provided] = []
        self.health_check: Optional[Provided] = None

    # what it provides

    def destination(
        self,
        kind: str,
        *,
        title: Optional[str] = None,
        about: Optional[str] = None,
        docs: Optional[str] = None,
        audience: Optional[str] = None,
        deduplicates: Optional[bool] = None,
        settings: Optional[Schema] = None,
        test_options: Optional[Schema] = None,
        batch: int = 1,
        most_alerts: Optional[int] = None,
    ) -> Callable[[F], F]:
        """A kind of destination: the function is given a `Delivery`. It returns (or raises) an outcome;
        `None` means delivered, an exception means try again. With `batch` above 1 it is given a list and
        returns `None` or a list of the same length."""
        facts = {
            "kind": kind,
            "title": title,
            "about": about,
            "docs": docs,
            "audience": audience,
            "deduplicates": deduplicates,
            "settings": settings,
            "test_options": test_options,
            "batch": batch if batch > 1 else None,
            "most_alerts": most_alerts,
        }
        return self._add(self.destinations, kind, facts)

    def subscription(
        self,
        name: str,
        topics: Iterable[str],
        *,
        batch: Optional[int] = None,
        sources: Optional[Iterable[str]] = None,
    ) -> Callable[[F], F]:
        """Things that happen in the hub: the function is given a list of `Event`s, and again if it raises.
        Of events that come in, only those of `sources`, if they are given."""
        wanted = None if sources is None else list(sources)
        facts = {"name": name, "topics": list(topics), "batch": batch, "sources": wanted}
        return self._add(self.subscriptions, name, facts)

    def route(self, path: str, *, methods: Sequence[str] = ("GET",), auth: str = "token") -> Callable[[F], F]:
        """Requests to `/plugins/ID` and this path, `/item/<id>`: the function is given a `Request`. It
        returns a `Response`, a pair of status and body, a body, or `None`. In `on_start` more may be
        added."""
        facts = {"path": path, "methods": [method.upper() for method in methods], "auth": auth}

        def add(function: F) -> F:
            items = self.routes.setdefault(path, [])
            for method in facts["methods"]:
                if any(method in item.facts["methods"] for item in items):
                    raise ValueError(f"the route {method} {path} is there twice")
            items.append(Provided(function, facts))
            return function

        return add

    def check(
        self,
        kind: str,
        *,
        title: Optional[str] = None,
        settings: Optional[Schema] = None,
        about: Optional[str] = None,
    ) -> Callable[[F], F]:
        """Something to look at as often as the configuration says: the function is given the check's
        settings and returns a `Check`, or `None` if all is well; an exception means that it fails."""
        return self._add(
            self.checks, kind, {"kind": kind, "title": title, "settings": settings, "about": about}
        )

    def validate(self, what: str, kind: str = "") -> Callable[[F], F]:
        """Looks at settings that their schema has let through. `what` is `settings` (of the plugin),
        `destination` (of this kind), `user` or `project`. The function is given them, raises `Invalid`,
        and returns them cleaned, or `None` for as they are. One that takes two things is also given those of
        the other destinations of this kind in the same receiver, or the project's name. `removal` is asked
        before a destination of this kind is removed: raise `Invalid` to say why it must not be."""
        return self._add(self.validators, (what, kind), {})

    def test(self, kind: str) -> Callable[[F], F]:
        """A test of a destination of this kind: the function is given its settings and the test's
        options, and returns an outcome; one that takes three things is also given the projects of the message
        that would tell it (`OfProject`). Without one, a test is a delivery of a message of kind `test`."""
        return self._add(self.tests, kind, {})

    def ticket(self, function: F) -> F:
        """Makes tickets: the function is given a `TicketRequest` and returns a `Ticket`."""
        self.ticketer = Provided(function, {})
        return function

    def background(self, function: F) -> F:
        """Work that goes on from start to stop; begun anew, after a while, when it raises."""
        self.backgrounds.append(Provided(function, {}))
        return function

    def on_configure(self, function: F) -> F:
        """Called with the settings when they are there, and whenever they change; may raise `Invalid`."""
        self.configurers.append(Provided(function, {}))
        return function

    def on_start(self, function: F) -> F:
        """Called before there is work."""
        self.starters.append(Provided(function, {}))
        return function

    def on_stop(self, function: F) -> F:
        """Called at the end; the last that was added is called first."""
        self.stoppers.append(Provided(function, {}))
        return function

    def health(self, function: F) -> F:
        """Called every few seconds: returns `None` if all is well, or what is not."""
        self.health_check = Provided(function, {})
        return function

    # for the runner

    def provides(self) -> Dict[str, Any]:
        """What the host is told in the answer to `hello`."""
        told: Dict[str, Any] = {
            "destinations": [item.facts for item in self.destinations.values()],
            "subscriptions": [item.facts for item in self.subscriptions.values()],
            "routes": self.route_facts(),
            "checks": [item.facts for item in self.checks.values()],
        }
        told.update((name, schema) for name, schema in self.schemas.items() if schema is not None)
        return told

    def route_facts(self) -> List[Dict[str, Any]]:
        """The routes, with those methods of a path together that the same people may use."""
        facts: Dict[Tuple[str, str], Dict[str, Any]] = {}
        for path, items in self.routes.items():
            for item in items:
                known = facts.setdefault((path, item.facts["auth"]), {**item.facts, "methods": []})
                known["methods"] += item.facts["methods"]
        return list(facts.values())

    def run(self) -> None:
        """Serves standard input and output until the host ends it: for a plugin whose `runtime` is `process`."""
        from .runner import run_plugin

        run_plugin(self)

    def _add(self, to: Dict[Any, Provided], key: Any, facts: Dict[str, Any]) -> Callable[[F], F]:
        def add(function: F) -> F:
            if key in to:
                raise ValueError(f"{key!r} is there twice")
            to[key] = Provided(function, facts)
            return function

        return add
