"""What the tests of plugins for Cabot and Argus need: a Python with Django, and servers that they can send
to.

The Python is the one that `NIGHTBELL_TEST_DJANGO_PYTHON` names, or this one if it has Django. Without one
the tests are skipped,
and say so. `cargo xtask test` makes one, with the published plugins in it.
"""

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from email import message_from_bytes, policy

from nightbell_plugin.testing import Host, runner

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = os.environ.get("NIGHTBELL_TEST_DJANGO_PYTHON") or (
    sys.executable if importlib.util.find_spec("django") else None
)
# requests to servers with certificates go to the one of the test, which is told whom they were for
REDIRECT = """
import os
to = os.environ.get("NIGHTBELL_TEST_LISTENER")
def here(url):
    return url.replace("https://", to + "/", 1) if to and url.startswith("https://") else url
try:
    import requests
except ImportError:
    pass
else:
    own = requests.Session.request
    requests.Session.request = lambda self, method, url, **kw: own(self, method, here(url), **kw)
try:
    import httplib2
except ImportError:
    pass
else:
    theirs = httplib2.Http.request
    httplib2.Http.request = lambda self, uri, *args, **kw: theirs(self, here(uri), *args, **kw)
"""


def needs_django(case):
    """Skips a test case loudly when there is no Django."""
    return unittest.skipUnless(
        PYTHON, "SKIPPED: no Django here; NIGHTBELL_TEST_DJANGO_PYTHON names a Python that has it"
    )(case)


def needs(*modules):
    """Skips a test case when that Python has not got these modules."""
    names = ", ".join(modules)
    code = f"import importlib.util as u, sys; sys.exit(not all(u.find_spec(m) for m in {modules!r}))"
    there = PYTHON is not None and subprocess.run([PYTHON, "-c", code], cwd="/").returncode == 0
    return unittest.skipUnless(there, f"SKIPPED: {PYTHON or 'no Python with Django'} has not got {names}")


class Listener:
    """A server on a port of its own that keeps what it is told."""

    def __init__(self):
        self.seen = []
        self.status = 200
        self.answer = b"{}"

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_):
        self.server.close()
        await self.server.wait_closed()

    async def serve(self, reader, writer):
        try:
            await self.talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class Web(Listener):
    """Keeps requests: method, path, type, body."""

    async def talk(self, reader, writer):
        method, path, _ = (await reader.readline()).decode().split()
        headers = {}
        while line := (await reader.readline()).decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = (await reader.readexactly(int(headers.get("content-length", 0)))).decode()
        self.seen.append(
            {"method": method, "path": path, "type": headers.get("content-type", ""), "body": body}
        )
        head = f"HTTP/1.1 {self.status} X\r\ncontent-type: application/json\r\nconnection: close\r\n"
        writer.write(f"{head}content-length: {len(self.answer)}\r\n\r\n".encode() + self.answer)
        await writer.drain()


class Mail(Listener):
    """Keeps mails: sender, receivers, subject, text."""

    async def talk(self, reader, writer):
        def say(text):
            writer.write(text.encode() + b"\r\n")

        sender, receivers = "", []
        say("220 here")
        while line := (await reader.readline()).decode().strip():
            word = line.upper()
            if word.startswith("MAIL"):
                sender = line.partition("<")[2].partition(">")[0]
            elif word.startswith("RCPT"):
                receivers.append(line.partition("<")[2].partition(">")[0])
            elif word == "DATA":
                say("354 go on")
                data = await reader.readuntil(b"\r\n.\r\n")
                self.keep(sender, receivers, message_from_bytes(data[:-5], policy=policy.default))
                sender, receivers = "", []
            elif word == "QUIT":
                say("221 bye")
                return
            say("250 ok")
            await writer.drain()

    def keep(self, sender, receivers, mail):
        body = mail.get_body(("plain",))
        parts = {"from": mail["from"], "to": receivers, "subject": mail["subject"]}
        self.seen.append({"sender": sender, **parts, "text": body.get_content().replace("\r\n", "\n")})


class Case(unittest.IsolatedAsyncioTestCase):
    """A test with a folder of its own."""

    maxDiff = None
    compat = ""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.state = os.path.join(self.folder, "state")
        os.mkdir(self.state)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(text))
        return path

    def host(self, module, env=None, **more):
        """The plugin as a program, in the Python that has Django."""
        path = os.pathsep.join([os.path.dirname(HERE), self.folder])
        self.write("sitecustomize.py", REDIRECT)
        command = [PYTHON, *runner("--compat", self.compat, "--module", module, "--path", self.folder)[1:]]
        own = {"PYTHONPATH": path, "NIGHTBELL_STATE": self.state, "TZ": "UTC", "PYTHONDONTWRITEBYTECODE": "1"}
        return Host(command=command, env={**own, **(env or {})}, **more)

    def golden(self, name, seen):
        """Compares what was seen with a golden file; NIGHTBELL_TEST_GOLDEN=write writes it anew."""
        path = os.path.join(HERE, "golden", name)
        if os.environ.get("NIGHTBELL_TEST_GOLDEN") == "write":
            with open(path, "w", encoding="utf-8") as file:
                json.dump(seen, file, indent=1, ensure_ascii=False)
                file.write("\n")
        with open(path, encoding="utf-8") as file:
            self.assertEqual(seen, json.load(file))
