"""Documents that describe how other systems are extended: their code blocks are cut out and run as they are.

They lie in the folder that `NIGHTBELL_TEST_DOCUMENTS` names, or in `shared/seeds` beside the repository; without
them, the tests that need them are skipped.
"""

import os
import re
import textwrap
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
FOLDER = os.environ.get("NIGHTBELL_TEST_DOCUMENTS") or os.path.join(os.path.dirname(ROOT), "shared", "seeds")


def document(name):
    """The text of a document."""
    path = os.path.join(FOLDER, name)
    if not os.path.isfile(path):
        raise unittest.SkipTest(f"there is no document {name}; NIGHTBELL_TEST_DOCUMENTS names their folder")
    with open(path, encoding="utf-8") as file:
        return file.read()


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
