"""A pool of threads for functions that are not async.

Its threads are daemons: one that hangs for ever must not keep the program from ending. Threads cannot be
stopped, so what the host asked for is under way until its thread is done, whoever waits for it.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from typing import Any, Callable, Optional, Tuple

MAX_THREADS = 96
"""As many as the host ever has under way."""
STACK = 2 << 20
"""Bytes of a thread's stack: the system's 8 MiB, times 64, would not fit into the memory of a plugin."""

ARENAS = 2
"""Heaps of the C library, which else keeps 64 MiB of addresses for each of a dozen threads: they count
against a plugin's memory."""
M_ARENA_MAX = -8
"""The number of that option of glibc's `mallopt`."""

_Job = Tuple["asyncio.Future[Any]", contextvars.Context, Callable[..., Any], Tuple[Any, ...]]


def _few_arenas() -> None:
    """Keeps the C library from taking a heap for each thread; other libraries than glibc do not."""
    try:
        import ctypes

        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
    except (ImportError, OSError, AttributeError):
        pass


class Pool:
    """Runs functions in threads; a thread is made when all others are busy."""

    def __init__(self, most: int = MAX_THREADS) -> None:
        self._most = most
        self._jobs: "queue.SimpleQueue[_Job]" = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._free = 0
        self._loop: Optional[asyncio.AbstractEventLoop] = None

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls it in a thread, in the context of the caller, and gives what it gives."""
        return await self._begin(function, *arguments)

    async def finish(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The same, and one that is cancelled meanwhile gives it all the same: what is still done is not over."""
        done = self._begin(function, *arguments)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            # a second time it is the end of everything
            return await asyncio.shield(done)

    def _begin(self, function: Callable[..., Any], *arguments: Any) -> "asyncio.Future[Any]":
        loop = self._loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        with self._lock:
            if self._free > 0:
                self._free -= 1
            elif self._threads < self._most:
                self._grow()
        self._jobs.put((done, contextvars.copy_context(), function, arguments))
        return done

    def _grow(self) -> None:
        if self._threads == 0:
            _few_arenas()
        before = threading.stack_size(STACK)
        try:
            threading.Thread(target=self._work, name="plugin", daemon=True).start()
            self._threads += 1
        except RuntimeError:
            # no room for another: those that are there must do
            if self._threads == 0:
                raise
        finally:
            threading.stack_size(before)

    def _work(self) -> None:
        while True:
            done, context, function, arguments = self._jobs.get()
            result: Any = None
            error: Optional[BaseException] = None
            try:
                if not done.cancelled():
                    result = context.run(function, *arguments)
            except BaseException as raised:
                error = raised
                if isinstance(raised, (StopIteration, SystemExit, KeyboardInterrupt)):
                    # a future cannot carry these, and none of them may end the thread
                    error = RuntimeError(f"{type(raised).__name__}: {raised}")
            loop = done.get_loop()
            with self._lock:
                self._free += 1
            try:
                loop.call_soon_threadsafe(_finish, done, result, error)
            except RuntimeError:  # the loop is closed
                return
            del done, context, function, arguments, result, error, loop


def _finish(done: "asyncio.Future[Any]", result: Any, error: Optional[BaseException]) -> None:
    if done.done():
        return
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(result)
