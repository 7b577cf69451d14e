"""What a plugin that looks at no answer was told: statuses of HTTP, and failures that it only logged.

Plugins for systems that asked for no outcome send, log what fails, and return. While one of them works, the
answers that its requests get and the exceptions that it logs are noted, and make the outcome: failed if nothing
was taken and something failed.
"""

from __future__ import annotations

import contextvars
import http.client
import logging
from typing import Any, Callable, List, Optional

from ..outcomes import Delivered, Outcome, Rejected, Retry
from ..wire import last_line
from .calls import TRY_AGAIN, failure

logger = logging.getLogger(__name__)
MAX_NOTED = 100
"""Answers and exceptions that are kept of one delivery."""


class Noted:
    """What one delivery saw."""

    def __init__(self) -> None:
        self.taken = 0
        """Requests that were answered with a status below 400, and mails that were sent."""
        self.refused: List[int] = []
        """Statuses of 400 and above."""
        self.errors: List[BaseException] = []
        """What was logged as an error."""

    def outcome(self) -> Outcome:
        """What it amounts to."""
        failed = len(self.refused) + len(self.errors)
        if self.taken and failed:
            logger.warning("something was sent and %d things failed; it is not sent again", failed)
        if self.taken or not failed:
            return Delivered()
        if not self.refused:
            error = next((one for one in self.errors if not isinstance(one, Logged)), self.errors[-1])
            return Retry(str(error)) if isinstance(error, Logged) else failure(error)
        status = self.refused[-1]
        if all(each < 500 and each not in TRY_AGAIN for each in self.refused):
            return Rejected(f"it was answered with status {status}", status=status)
        again = next(each for each in reversed(self.refused) if each >= 500 or each in TRY_AGAIN)
        return Retry(
            f"it was answered with status {again}", status=again, fault="pace" if again == 429 else ""
        )


_noted: contextvars.ContextVar[Optional[Noted]] = contextvars.ContextVar("noted", default=None)


class Logged(Exception):
    """An error that was only logged."""


class _Errors(logging.Handler):
    """Notes what is logged as an error, exceptions best."""

    def emit(self, record: logging.LogRecord) -> None:
        noted = _noted.get()
        if noted is not None and len(noted.errors) < MAX_NOTED:
            error = record.exc_info[1] if record.exc_info else None
            noted.errors.append(error or Logged(record.getMessage()))


def begin() -> None:
    """From now on it is noted. All clients of Python's world get their answers through one function of the
    library."""
    own = http.client.HTTPConnection.getresponse
    if getattr(own, "noting", False):
        return

    def getresponse(self: http.client.HTTPConnection) -> http.client.HTTPResponse:
        response = own(self)
        noted = _noted.get()
        if noted is not None:
            if response.status < 400:
                noted.taken += 1
            elif len(noted.refused) < MAX_NOTED:
                noted.refused.append(response.status)
        return response

    getresponse.noting = True  # type: ignore[attr-defined]
    http.client.HTTPConnection.getresponse = getresponse  # type: ignore[method-assign]
    logging.getLogger().addHandler(_Errors(logging.ERROR))


def mailed() -> None:
    """A mail was taken."""
    noted = _noted.get()
    if noted is not None:
        noted.taken += 1


_told: List[str] = []
"""What failed last, in words."""


def _tell(error: Exception) -> None:
    """Writes where it failed to the log, but not again and again while the same is tried again."""
    words = last_line(error)
    logger.warning("%s", words, exc_info=words not in _told)
    _told[:] = [words]


def watched(work: Callable[[], Any]) -> Outcome:
    """Does it and says what came of it; what it returns is not looked at."""
    noted = Noted()
    token = _noted.set(noted)
    try:
        work()
    except Outcome as outcome:
        return outcome
    except Exception as error:
        _tell(error)
        return failure(error)
    finally:
        _noted.reset(token)
    return noted.outcome()
