"""Documents that describe how other systems are extended: their code blocks are cut out and run as they are.

They lie in the folder that `NIGHTBELL_TEST_DOCUMENTS` names, or in `shared/seeds` beside the repository;
without them, the tests that need them are skipped, unless the variable is set.
"""

import fcntl
import os
import re
import socket
import textwrap
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
FOLDER = os.environ.get("NIGHTBELL_TEST_DOCUMENTS") or os.path.join(os.path.dirname(ROOT), "shared", "seeds")


def document(name):
    """The text of a document."""
    path = os.path.join(FOLDER, name)
    if not os.path.isfile(path):
        why = f"there is no document {name}; NIGHTBELL_TEST_DOCUMENTS names their folder"
        # where somebody has said that they are there, none may be missing
        raise AssertionError(why) if os.environ.get("NIGHTBELL_TEST_DOCUMENTS") else unittest.SkipTest(why)
    with open(path, encoding="utf-8") as file:
        return file.read()


def reserved(case, name, port):
    """The port that a document names, taken for a test but not listened at yet. Two runs of the tests at
    once take turns, by a lock on the document; the test is skipped if somebody else has the port."""
    lock = open(os.path.join(FOLDER, name), encoding="utf-8")
    case.addCleanup(lock.close)
    fcntl.flock(lock, fcntl.LOCK_EX)
    taken = socket.socket()
    case.addCleanup(taken.close)
    # connections of the test before are no hindrance
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(("127.0.0.1", port))
    except OSError as error:
        case.skipTest(f"the document's port {port} is taken: {error}")
    return taken


def fenced(text, word):
    """The one fenced block of Python in which this stands."""
    found = [block for block in re.findall(r"```python\n(.*?)```", text, re.S) if word in block]
    if len(found) != 1:
        raise AssertionError(f"{len(found)} blocks have {word!r} in them")
    return found[0]


def indented(text, first, last):
    """The lines from one that begins so to one that begins so, without their common indent."""
    lines = text.splitlines()
    begin = next(at for at, line in enumerate(lines) if line.strip().startswith(first))
    end = max(at for at, line in enumerate(lines) if line.strip().startswith(last))
    return textwrap.dedent("\n".join(lines[begin : end + 1])) + "\n"
