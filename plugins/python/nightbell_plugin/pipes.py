"""Standard input and output: taken away from the plugin's code, read and written without blocking."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import threading
from collections import deque
from typing import Callable, Deque, Optional, Tuple, Union

CHUNK = 64 * 1024
"""Bytes that are read at once: what a pipe holds."""


_wire: Optional[Tuple[int, int]] = None


def guard() -> Tuple[int, int]:
    """Takes standard input and output away, once: what anybody reads from then on is empty, and what anybody
    prints, a child too, goes to standard error. Returns the descriptors of the wire."""
    global _wire
    if _wire is None:
        _wire = _take_away()
    return _wire


def _take_away() -> Tuple[int, int]:
    wire_in, wire_out = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # there is no standard error
        os.dup2(null, 1)
    os.close(null)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # the log is read line by line, and a character that cannot be written is no reason to fail
            reconfigure(line_buffering=True, errors="backslashreplace")
    return wire_in, wire_out


def _can_wait(fd: int) -> bool:
    """Whether the loop can wait for it. A terminal could, but would stay non-blocking for the shell."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


class Reader:
    """Hands on what is read, which is good until the call ends; `ended` is called once, at the end."""

    def __init__(
        self, fd: int, feed: Callable[[Union[bytes, memoryview]], None], ended: Callable[[], None]
    ) -> None:
        self._fd = fd
        self._feed = feed
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        # read into one place again and again: memory for the longest read would be got and given back at each
        self._room = memoryview(bytearray(CHUNK))
        if _can_wait(fd):
            os.set_blocking(fd, False)
            self._loop.add_reader(fd, self._ready)
        else:
            threading.Thread(target=self._follow, name="standard input", daemon=True).start()

    def _ready(self) -> None:
        try:
            count = os.readv(self._fd, [self._room])
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            count = 0
        if count:
            self._feed(self._room[:count])
        else:
            self.close()
            self._ended()

    def _follow(self) -> None:
        data = b"-"
        while data:
            try:
                data = os.read(self._fd, CHUNK)
            except OSError:
                data = b""
            step = (self._feed, data) if data else (self._ended,)
            try:
                self._loop.call_soon_threadsafe(*step)
            except RuntimeError:  # the loop is closed
                return

    def close(self) -> None:
        """Reads no more."""
        if _can_wait(self._fd):
            self._loop.remove_reader(self._fd)


class Writer:
    """Writes at once what the other side takes and keeps the rest; `broken` is called when nobody reads any more."""

    def __init__(self, fd: int, broken: Callable[[], None]) -> None:
        self._fd = fd
        self._broken = broken
        self._loop = asyncio.get_running_loop()
        self._rest: Deque[memoryview] = deque()
        self._waits = False
        self._gone = False
        self._emptied: Optional[asyncio.Future[None]] = None
        self.backlog = 0
        """Bytes that wait."""
        if _can_wait(fd):
            os.set_blocking(fd, False)

    def write(self, data: bytes) -> None:
        """Writes whole lines, now or when they are taken."""
        if self._gone:
            return
        self._rest.append(memoryview(data))
        self.backlog += len(data)
        if not self._waits:
            self._drain()

    def _drain(self) -> None:
        while self._rest:
            part = self._rest[0]
            try:
                written = os.write(self._fd, part)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                self._give_up()
                return
            self.backlog -= written
            if written == len(part):
                self._rest.popleft()
            else:
                self._rest[0] = part[written:]
        if not self._rest:
            self._is_empty()
        if bool(self._rest) != self._waits:
            self._waits = bool(self._rest)
            if self._waits:
                self._loop.add_writer(self._fd, self._drain)
            else:
                self._loop.remove_writer(self._fd)

    def _give_up(self) -> None:
        self._gone = True
        self._rest.clear()
        self.backlog = 0
        if self._waits:
            self._waits = False
            self._loop.remove_writer(self._fd)
        self._is_empty()
        self._broken()

    def _is_empty(self) -> None:
        if self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    async def empty(self) -> None:
        """Waits until all is written, or nobody reads any more."""
        if self._rest:
            self._emptied = self._loop.create_future()
            await self._emptied

    def close(self) -> None:
        """Writes no more."""
        if not self._gone:
            self._broken = lambda: None
            self._give_up()
