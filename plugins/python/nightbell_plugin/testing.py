"""A host for tests: runs a plugin in this process, or a program, and keeps what it says.

    async with Host(plugin) as host:
        outcome = await host.deliver("bell", {"room": "desk"}, title="Disk is full")
        assert outcome["outcome"] == "delivered"
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import types
from typing import Any, Dict, List, Mapping, Optional, Sequence, Type

from .pipes import Reader, Writer
from .plugin import Plugin
from .serve import Session
from .wire import FAILED, NOT_FOUND, Peer, RpcError

START_SECONDS = 10.0
"""How long a program may take to answer `hello`."""
CALL_SECONDS = 30.0
"""How long anything else may take."""


def runner(*options: str) -> List[str]:
    """The command that runs `python -m nightbell_plugin` with these options."""
    return [sys.executable, "-m", __package__, *options]


def alert(title: str = "Disk is full", **fields: Any) -> Dict[str, Any]:
    """An alert as a notification has it."""
    return {
        "incident": "0a1b2c3d4e5f6",
        "state": "open",
        "severity": "error",
        "title": title,
        "labels": {"alertname": "DiskFull"},
        "annotations": {},
        "started_at": "2026-01-31T12:00:00.250Z",
        "ends_at": None,
        "link": "",
        "acknowledged_by": None,
        **fields,
    }


def message(
    title: str = "Disk is full", kind: str = "firing", alerts: Optional[List[Dict[str, Any]]] = None, **fields: Any
) -> Dict[str, Any]:
    """A message as the host sends it."""
    alerts = [alert(title)] if alerts is None else alerts
    reasons = {"resolved": "all_resolved", "repeated": "repeat", "firing": "first"}
    return {
        "kind": kind,
        "title": title,
        "body": "",
        "facts": [],
        "actions": [],
        "link": "http://bell.example/incidents/0a1b2c3d4e5f6",
        "severity": "error",
        "notification": {
            "idempotency_key": "key-1",
            "reason": reasons.get(kind, kind),
            "receiver": "ops",
            "route": "0",
            "group_key": '{}:{alertname="DiskFull"}',
            "group_labels": {"alertname": "DiskFull"},
            "common_labels": dict(alerts[0]["labels"]) if alerts else {},
            "common_annotations": {},
            "external_url": "http://bell.example",
            "alerts": alerts,
            "truncated": 0,
            "at": "2026-01-31T12:00:01Z",
        },
        **fields,
    }


class Host:
    """Runs one plugin through its life. `plugin` is a `Plugin`, `command` the words of a program; one of
    them is given.

    Entering starts it up to `start`, with `settings`; with `begin=False` nothing is asked yet. What the
    plugin says is in `logs`, `statuses`, `emitted`, `acts`, `mails` and `keys`; a function in `answers` replaces the
    answer to one of its questions.
    """

    def __init__(
        self,
        plugin: Optional[Plugin] = None,
        *,
        command: Optional[Sequence[str]] = None,
        settings: Optional[Mapping[str, Any]] = None,
        env: Optional[Mapping[str, str]] = None,
        folder: str = "",
        state: str = "",
        begin: bool = True,
        offers: Sequence[str] = ("fetch", "kv"),
    ) -> None:
        if (plugin is None) == (command is None):
            raise ValueError("give a plugin or a command")
        self.plugin = plugin
        self.command = list(command or [])
        self.settings = dict(settings or {})
        self.env = dict(env or {})
        self.about = {"id": "test", "folder": folder, "state": state}
        self.begin = begin
        self.offers = list(offers)
        """What the hub can do."""
        self.provides: Dict[str, Any] = {}
        self.features: List[str] = []
        self.logs: List[Dict[str, Any]] = []
        self.statuses: List[Dict[str, Any]] = []
        self.emitted: List[Dict[str, Any]] = []
        self.acts: List[Dict[str, Any]] = []
        self.incidents: Dict[str, Dict[str, Any]] = {}
        self.mails: List[Dict[str, Any]] = []
        self.keys: Dict[str, Any] = {}
        self.set: Dict[str, Dict[str, Any]] = {}
        """What people and projects have set for the plugin, by their names."""
        self.answers: Dict[str, Any] = {}
        self.process: Optional[asyncio.subprocess.Process] = None
        self.errors = b""
        """What a program wrote to its standard error."""
        self.peer: Peer
        self._closers: List[Any] = []
        self._errors_read: Optional[asyncio.Task[None]] = None
        self._count = 0

    # its life

    async def __aenter__(self) -> Host:
        await (self._inside() if self.plugin is not None else self._outside())
        try:
            if self.begin:
                await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[types.TracebackType],
    ) -> None:
        await self.close()

    async def hello(self) -> Dict[str, Any]:
        """The first word."""
        said = await self.ask(
            "hello",
            protocol={"min": 1, "max": 1},
            host={"name": "nightbell", "version": "0.0.0"},
            features=self.offers,
            plugin=self.about,
        )
        self.provides, self.features = said["provides"], said["features"]
        return dict(said)

    async def start(self) -> None:
        """From `hello` to `start`; settings that the plugin refuses are a `ValueError`."""
        await asyncio.wait_for(self.hello(), START_SECONDS)
        said = await self.configure(self.settings)
        if said.get("errors"):
            raise ValueError(f"the plugin refuses its settings: {said['errors']}")
        said = await self.ask("start")
        self.provides["routes"] = self.provides.get("routes", []) + said.get("routes", [])

    async def close(self) -> Optional[int]:
        """Stops it as the hub does; returns the exit status of a program."""
        try:
            await asyncio.wait_for(self.ask("drain"), CALL_SECONDS)
            await asyncio.wait_for(self.ask("shutdown"), CALL_SECONDS)
        except (RpcError, asyncio.TimeoutError):
            pass  # it has ended by itself, or never began
        for closer in reversed(self._closers):
            closer()
        self._closers.clear()
        return await self.ended() if self.process is not None else None

    async def ended(self) -> int:
        """Waits for the end of a program, which is killed if it does not come; its exit status."""
        assert self.process is not None
        try:
            status = await asyncio.wait_for(self.process.wait(), CALL_SECONDS)
        except asyncio.TimeoutError:
            self.process.kill()
            status = await self.process.wait()
        if self._errors_read is not None:
            await self._errors_read
        return status

    async def _inside(self) -> None:
        assert self.plugin is not None
        ours, theirs = socket.socketpair()
        self._connect(ours.fileno(), ours.fileno(), ours)
        session = Session(self.plugin, lambda why: None)
        writer = Writer(theirs.fileno(), lambda: None)
        peer = Peer(writer.write, session.methods, {}, lambda: writer.backlog)
        self.plugin.host.attach(peer)
        reader = Reader(theirs.fileno(), peer.feed, lambda: None)
        self._closers += [theirs.close, writer.close, reader.close, lambda: peer.close("the host is gone")]

    async def _outside(self) -> None:
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
        ours, theirs = socket.socketpair()
        try:
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": path, **self.env},
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._errors_read = asyncio.get_running_loop().create_task(self._read_errors())
        self._connect(ours.fileno(), ours.fileno(), ours)

    async def _read_errors(self) -> None:
        assert self.process is not None and self.process.stderr is not None
        while True:
            data = await self.process.stderr.read(65536)
            if not data:
                return
            self.errors += data

    def _connect(self, read: int, write: int, owner: socket.socket) -> None:
        writer = Writer(write, lambda: None)
        methods = {
            name: self._answering(name)
            for name in (
                "emit",
                "incident.get",
                "incident.act",
                "kv.get",
                "kv.set",
                "kv.delete",
                "kv.list",
                "settings.get",
                "mail",
                "fetch",
            )
        }
        notes = {"log": self.logs.append, "status": self.statuses.append}
        self.peer = Peer(writer.write, methods, notes)
        reader = Reader(read, self.peer.feed, lambda: self.peer.close("the plugin is gone"))
        over = "the host has closed"
        self._closers += [owner.close, writer.close, reader.close, lambda: self.peer.close(over)]

    # what the plugin asks

    def _answering(self, name: str) -> Any:
        own = getattr(self, "_" + name.replace(".", "_"))

        async def answer(params: Dict[str, Any]) -> Any:
            return self.answers.get(name, own)(params)

        return answer

    def _emit(self, params: Dict[str, Any]) -> Any:
        self.emitted += params["events"]
        first = len(self.emitted) - len(params["events"])
        return {"ids": [f"event-{number}" for number in range(first, len(self.emitted))]}

    def _incident_get(self, params: Dict[str, Any]) -> Any:
        if params["id"] not in self.incidents:
            raise RpcError(NOT_FOUND, f"there is no incident {params['id']}")
        return self.incidents[params["id"]]

    def _incident_act(self, params: Dict[str, Any]) -> Any:
        self.acts.append({name: value for name, value in params.items() if name != "because"})
        return {}

    def _kv_get(self, params: Dict[str, Any]) -> Any:
        return {"value": self.keys.get(params["key"])}

    def _kv_set(self, params: Dict[str, Any]) -> Any:
        self.keys[params["key"]] = params["value"]
        return {}

    def _kv_delete(self, params: Dict[str, Any]) -> Any:
        self.keys.pop(params["key"], None)
        return {}

    def _kv_list(self, params: Dict[str, Any]) -> Any:
        return {"keys": sorted(key for key in self.keys if key.startswith(params.get("prefix", "")))}

    def _settings_get(self, params: Dict[str, Any]) -> Any:
        return {"settings": self.set.get(params.get("user") or params.get("project") or "", {})}

    def _mail(self, params: Dict[str, Any]) -> Any:
        self.mails.append(params)
        return {"outcome": "delivered"}

    def _fetch(self, params: Dict[str, Any]) -> Any:
        raise RpcError(FAILED, f"put a function into answers['fetch'] to answer {params['url']}")

    # what is asked of the plugin

    async def ask(self, method: str, /, **params: Any) -> Any:
        """Any method of the contract."""
        return await self.peer.request(method, params, CALL_SECONDS)

    async def configure(self, settings: Mapping[str, Any], *, dry_run: bool = False) -> Dict[str, Any]:
        """New settings; what the plugin says to them."""
        said = await self.ask("configure", settings=dict(settings), generation=1, dry_run=dry_run)
        return dict(said)

    async def deliver(
        self,
        kind: str,
        settings: Optional[Mapping[str, Any]] = None,
        *,
        what: Optional[Mapping[str, Any]] = None,
        deadline_ms: int = 10_000,
        recipients: Sequence[Mapping[str, Any]] = (),
        on_duty: Sequence[Mapping[str, Any]] = (),
        projects: Optional[Mapping[str, Mapping[str, Any]]] = None,
        id: str = "",
        **words: Any,
    ) -> Dict[str, Any]:
        """One delivery of a message, `what` or one made by `message(**words)`; its outcome. `projects` is
        what is set for those that it is about."""
        delivery = self.delivery(kind, settings, what=what, deadline_ms=deadline_ms, id=id, **words)
        delivery.update(recipients=list(recipients), on_duty=list(on_duty))
        if projects is not None:
            delivery["projects"] = [{"name": name, "settings": dict(its)} for name, its in projects.items()]
        return (await self.deliver_all([delivery]))[0]

    def delivery(
        self,
        kind: str,
        settings: Optional[Mapping[str, Any]] = None,
        *,
        what: Optional[Mapping[str, Any]] = None,
        deadline_ms: int = 10_000,
        id: str = "",
        **words: Any,
    ) -> Dict[str, Any]:
        """A delivery as the host sends it."""
        self._count += 1
        if what is None:
            what = message(**words)
        return {
            "id": id or f"delivery-{self._count}",
            "key": f"key-{self._count}",
            "attempt": 1,
            "deadline_ms": deadline_ms,
            "kind": kind,
            "destination": f"ops/{kind}/0",
            "settings": dict(settings or {}),
            "message": dict(what),
            "recipients": [],
            "on_duty": [],
        }

    async def deliver_all(self, deliveries: Sequence[Mapping[str, Any]]) -> List[Dict[str, Any]]:
        """Several in one call; their outcomes in the order of the deliveries."""
        said = await self.ask("deliver", deliveries=list(deliveries))
        by_id = {outcome["id"]: outcome for outcome in said["outcomes"]}
        return [by_id[delivery["id"]] for delivery in deliveries]

    async def request(
        self, route: str, method: str = "GET", *, arguments: Optional[Mapping[str, str]] = None, **fields: Any
    ) -> Dict[str, Any]:
        """A request to one of its routes, `/item/<id>`; the answer as the wire carries it."""
        path = route
        for name, value in (arguments or {}).items():
            path = path.replace(f"<{name}>", value)
        params = {"query": "", "headers": [], "body": "", "principal": {"name": "test"}, "path": path, **fields}
        said = await self.ask("request", route=route, method=method, arguments=dict(arguments or {}), **params)
        return dict(said)

    async def events(self, subscription: str, *events: Mapping[str, Any]) -> None:
        """A batch of events: `{"topic": …, "data": …}`."""
        self._count += 1
        whole = [{"id": f"event-{self._count}", "at": "2026-01-31T12:00:00Z", **event} for event in events]
        await self.ask("events", subscription=subscription, events=whole)

    async def until(self, question: Any, seconds: float = 10.0) -> Any:
        """Waits until a function gives something true, and gives that."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            value = question()
            if value:
                return value
            if loop.time() > end:
                raise AssertionError(f"did not come true within {seconds:g} s")
            await asyncio.sleep(0.01)
