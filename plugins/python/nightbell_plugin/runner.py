"""`python -m nightbell_plugin`: finds a plugin and serves standard input and output.

    python -m nightbell_plugin --module package.module[:object] [--path FOLDER]
    python -m nightbell_plugin --file plugin.py
    python -m nightbell_plugin --compat sentry --module package.plugin:Class

Exit status 78: only a person can mend it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import sys
from typing import Any, Dict, List, NoReturn, Optional, Tuple

from .host import LogHandler
from .outcomes import Misconfigured
from .pipes import Reader, Writer, guard
from .plugin import Plugin
from .serve import Session
from .wire import Peer, last_line

MISCONFIGURED = 78
"""Exit status: not to be started anew before a person has changed something."""
FLUSH_SECONDS = 2.0
"""How long what was said last may take to be read."""
LUNA_MODULES = ("crutches_on_wheels", "luna_plugins", "cow", "classes")
"""Modules by whose import a single file is known to be written for LUNA."""


class Arguments:
    """What was asked for on the command line; `rest` are options that a `compat` may know."""

    def __init__(self, words: List[str]) -> None:
        self.module = ""
        self.compat = ""
        self.file = ""
        self.paths: List[str] = []
        self.rest: Dict[str, List[str]] = {}
        words = list(words)
        while words:
            name, given, value = words.pop(0).partition("=")
            if not name.startswith("--"):
                raise Misconfigured(f"{name!r} is not an option\n{__doc__}")
            if not given:
                if not words:
                    raise Misconfigured(f"{name} needs a value")
                value = words.pop(0)
            if name == "--path":
                self.paths.append(value)
            elif name in ("--module", "--compat", "--file"):
                setattr(self, name[2:], value)
            else:
                self.rest.setdefault(name[2:], []).append(value)

    def import_paths(self) -> None:
        """Puts the plugin's folders first where modules are looked for, and takes the state folder out."""
        state = os.environ.get("NIGHTBELL_STATE")
        if state and sys.path and os.path.realpath(sys.path[0] or ".") == os.path.realpath(state):
            del sys.path[0]
        sys.path[:0] = [os.path.abspath(path) for path in self.paths]


def only(kind: type, module: Any, name: str) -> Any:
    """The one object of this kind in a module; `name` says which if there are several."""
    if name:
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part, None)
        if not isinstance(found, kind):
            raise Misconfigured(f"{module.__name__} has no {kind.__name__} named {name!r}")
        return found
    there = {id(value): value for value in vars(module).values() if isinstance(value, kind)}
    if len(there) != 1:
        how_many = "no" if not there else "more than one"
        raise Misconfigured(
            f"{module.__name__} has {how_many} {kind.__name__}: name it as {module.__name__}:object"
        )
    return next(iter(there.values()))


def load_file(path: str, name: str = "") -> Any:
    """Imports a file as a module that is named after it."""
    import importlib.util

    name = name or os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not os.path.isfile(path):
        raise Misconfigured(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def written_for(path: str) -> str:
    """The system that a single file was written for, known by what it imports."""
    import ast

    with open(path, "rb") as file:
        tree = ast.parse(file.read(), path)
    for node in ast.walk(tree):
        names: List[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        if any(name.partition(".")[0] in LUNA_MODULES for name in names):
            return "luna"
    return ""


def load(arguments: Arguments) -> Plugin:
    """The plugin that the arguments mean."""
    arguments.import_paths()
    compat = arguments.compat
    if arguments.file and not compat:
        compat = written_for(arguments.file)
    if compat:
        name = f"{__package__}.compat.{compat}"
        try:
            shim = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            raise Misconfigured(f"there is no compat {compat!r}") from None
        plugin: Plugin = shim.load(arguments)
        return plugin
    if arguments.file:
        return only(Plugin, load_file(arguments.file), "")  # type: ignore[no-any-return]
    if not arguments.module:
        raise Misconfigured(f"--module or --file is missing\n{__doc__}")
    name, _, wanted = arguments.module.partition(":")
    return only(Plugin, importlib.import_module(name), wanted)  # type: ignore[no-any-return]


def explain(error: BaseException) -> Tuple[int, str]:
    """The exit status for a failure before the first word, and what a person should read."""
    if isinstance(error, Misconfigured):
        return MISCONFIGURED, str(error)
    if isinstance(error, ModuleNotFoundError):
        return MISCONFIGURED, f"{error}: is it in the plugin's requirements, or in its folder?"
    if isinstance(error, (OSError, MemoryError)) or not isinstance(error, Exception):
        return 1, last_line(error)  # may pass by itself
    return MISCONFIGURED, last_line(error)


async def serve(plugin: Plugin, wire_in: int, wire_out: int) -> int:
    """Serves the host until it ends us; returns the exit status."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(status: int = 0) -> None:
        if not ended.done():
            ended.set_result(status)

    def misconfigured(why: str) -> None:
        print(f"nightbell-plugin: {why}", file=sys.stderr)
        end(MISCONFIGURED)

    writer = Writer(wire_out, end)
    session = Session(plugin, misconfigured)
    peer = Peer(writer.write, session.methods, {}, lambda: writer.backlog)
    plugin.host.attach(peer)
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, end)
    reader = Reader(wire_in, peer.feed, end)
    status = await ended
    reader.close()
    await session.stop()
    peer.close("the host is gone")
    peer.flush()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(writer.empty(), FLUSH_SECONDS)
    return status


def leave(status: int) -> NoReturn:
    """Ends the program now: threads that hang must not keep it."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status)


def run_plugin(plugin: Plugin, wire: Optional[Tuple[int, int]] = None) -> NoReturn:
    """Serves a plugin and ends the program."""
    wire_in, wire_out = wire or guard()
    root = logging.getLogger()
    root.addHandler(LogHandler(plugin.host))
    if root.level in (logging.NOTSET, logging.WARNING):
        root.setLevel(logging.INFO)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # tasks that do not let themselves be cancelled must not keep the program either
    leave(loop.run_until_complete(serve(plugin, wire_in, wire_out)))


def main(words: Optional[List[str]] = None) -> NoReturn:
    """The command."""
    wire = guard()
    try:
        plugin = load(Arguments(sys.argv[1:] if words is None else words))
    except BaseException as error:
        if not isinstance(error, Misconfigured):
            import traceback

            traceback.print_exc()
        status, why = explain(error)
        print(f"nightbell-plugin: {why}", file=sys.stderr)
        leave(status)
    run_plugin(plugin, wire)
