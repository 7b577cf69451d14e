"""LUNA's plugins, as they are: the document's, and one of each kind."""

import asyncio
import contextlib
import importlib.util
import io
import json
import os
import re
import sys
import tempfile
import textwrap
import unittest

from nightbell_plugin import RpcError
from nightbell_plugin.testing import Host, runner

from .documents import document, indented, reserved

DOCUMENT = "luna-handlers-plugins.md"
HERE = os.path.dirname(os.path.abspath(__file__))
EVENT = {
    "topic": "event.accepted",
    "at": "2026-01-31T12:00:00Z",
    "data": {"title": "Disk is full", "source": "prometheus", "key": "k", "labels": {"disk": "a"}},
}
SERVED = {"topic": "request.served", "at": "2026-01-31T12:00:00Z"}

BACKGROUND = """
    import asyncio
    from {prefix}.plugins_meta.base_plugins import BaseBackgroundHandler, BaseBackgroundPlugin, pluginHTTPResponse

    class Teapot(BaseBackgroundHandler):
        async def get(self, request):
            return self.response(body="I am teapot", headers={{"Content-Type": "text/plain"}}, statusCode=418)

    def version(request):
        return pluginHTTPResponse(statusCode=200, body="T800", headers={{"Content-Type": "text/plain"}})

    class Item:
        def __init__(self, request):
            self.request = request
        async def post(self, request, number):
            kind = request.headers["Content-Type"]
            return {{"number": number, "sent": request.json, "args": request.args, "kind": kind}}, 201

    class Background(BaseBackgroundPlugin):
        def __init__(self, app):
            super().__init__(app)
            self.task = None
            self.temperature = 0
        async def initialize(self):
            self.addRoute("/teapot", Teapot)
            self.addRoute("/teapot/version", version, methods={{"get"}})
            self.addRoute("/item/<number:int>", Item)
        async def usefulJob(self):
            while True:
                self.temperature = min(self.temperature + 1, 100)
                self.app.ctx.logger.info(f"temperature {{self.temperature}}")
                await asyncio.sleep(0.01)
        async def start(self):
            self.task = asyncio.create_task(self.usefulJob())
        async def close(self):
            self.task.cancel()
            print("closed", self.temperature > 0)
"""
BATCHING = """
    import asyncio, json, sys
    from abc import abstractmethod
    from cow.plugins.plugins_meta.base_plugins import BaseBackgroundPlugin, BaseEventPlugin
    from luna_plugins.base.plugins_meta.base_plugins import BaseEventPlugin as Same, BaseRequestMonitoringPlugin
    from crutches_on_wheels.plugins.plugins_meta.base_plugins import BaseEventPlugin as Third
    from crutches_on_wheels.cow.plugins.plugins_meta.base_plugins import BaseEventPlugin as Fourth
    from luna_handlers.crutches_on_wheels.cow.plugins.plugins_meta.base_plugins import BaseEventPlugin as Fifth
    from crutches_on_wheels.monitoring.points import BaseRequestMonitoringPoint
    assert BaseEventPlugin is Same is Third is Fourth is Fifth
    points = []

    class Old(BaseRequestMonitoringPlugin):
        async def flushPointToMonitoring(self, points, logger):
            print("old", len(points))

    class New(BaseRequestMonitoringPlugin):
        async def flushPointToMonitoring(self, point, logger):
            assert isinstance(point, BaseRequestMonitoringPoint)
            points.append([point.series, point.tags, sorted(point.fields), point.eventTime])

    class Flusher(BaseBackgroundPlugin):
        async def start(self):
            self.app.add_task(self.flush())
        async def flush(self):
            while True:
                while points:
                    print(json.dumps(points.pop(0)))
                await asyncio.sleep(0.01)
"""
FAILING = """
    import asyncio
    from luna_plugins.base.plugins_meta.base_plugins import BaseEventPlugin, BaseEventSendingPlugin
    from .neighbour import Imported
    from plugins.neighbour import Imported as Again
    tries = []

    class Good(BaseEventSendingPlugin):
        async def initialize(self):
            tries.append(1)
            if len(tries) < 3:
                raise RuntimeError(f"store is down {len(tries)}")
        async def sendEvents(self, events, handlerId, accountId, requestId, createEventTime, endEventTime, logger):
            print("good", len(events), requestId)
            logger.info(7)

    class Bad(BaseEventSendingPlugin):
        async def sendEvents(self, events, *rest):
            if events[0].asDict()["user_data"] == "refused":
                raise ConnectionRefusedError("nobody there")
            raise ValueError("does not understand")

    class Opened(BaseEventPlugin):
        eventName = "incident.opened"
        async def handleEvent(self, events, logger):
            print("opened", events[0].data["id"])
"""
NEIGHBOUR = """
    from luna_plugins.base.plugins_meta.base_plugins import BaseEventPlugin
    class Imported(BaseEventPlugin):
        eventName = "sending_event"
        def __init__(self, app):
            super().__init__(app)
            print("made")
        async def handleEvent(self, events, *rest, **named):
            pass
"""


class Store:
    """An object store: a bucket is made once, and objects are kept."""

    def __init__(self):
        self.asked = []
        self.status = None

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(re.search(r"content-length: *(\d+)", head, re.I).group(1))
        body = await reader.readexactly(length)
        path = head.split()[1]
        made = sum(1 for asked, _ in self.asked if asked == path)
        self.asked.append((path, body))
        status = self.status or (409 if made and "bucket=" in path else 201)
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())
        await writer.drain()
        writer.close()


class Case(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(text))
        return path

    def said(self, host, word):
        return [line for line in host.errors.decode().splitlines() if line.startswith(word)]


class TheDocument(Case):
    """The event sending plugin of LUNA's "Plugins"."""

    def setUp(self):
        super().setUp()
        text = document(DOCUMENT)
        code = indented(text, "from abc import abstractmethod", "logger.debug(await resp.text())")
        self.file = self.write("event_sending_plugin_example.py", code)
        double = [] if importlib.util.find_spec("aiohttp") else [os.path.join(HERE, "doubles")]
        root = os.path.dirname(HERE)
        self.env = {"PYTHONPATH": os.pathsep.join([root, *double])}

    async def store(self, port=None):
        store = Store()
        server = await asyncio.start_server(store.serve, sock=port or reserved(self, DOCUMENT, 5020))
        self.addCleanup(server.close)
        return store

    async def test_its_bucket_is_made_and_its_events_are_posted(self):
        store = await self.store()
        for number in range(2):
            async with Host(command=runner("--file", self.file), env=self.env) as host:
                self.assertEqual(
                    host.provides["subscriptions"], [{"name": "sending_event", "topics": ["event.accepted"]}]
                )
                await host.events("sending_event", EVENT, {**EVENT, "id": "e2"})
                self.assertEqual(await host.close(), 0)
            self.assertNotIn(b"Unclosed", host.errors)
            # said by the double
            self.assertIn(self.said(host, "sessions")[-1:], ([], ["sessions open: 0"]))
            paths = [path for path, _ in store.asked]
            self.assertEqual(
                paths, ["/1/buckets?bucket=plugin_test_bucket", "/1/buckets/plugin_test_bucket/objects"] * (number + 1)
            )
        said = json.loads(store.asked[-1][1])
        self.assertEqual(
            sorted(said),
            ["Luna-Request-Id", "account_id", "event_create_time", "event_end_time", "events", "handler_id"],
        )
        self.assertRegex(said["Luna-Request-Id"], r"^[0-9]{10},[0-9a-f-]{36}$")
        self.assertEqual(said["event_create_time"], "2026-01-31T12:00:00Z")
        self.assertEqual(len(said["events"]), 2)
        first = said["events"][0]
        self.assertEqual((first["user_data"], first["tags"]), ("Disk is full", ["disk=a"]))
        self.assertEqual(first["meta"], EVENT["data"])
        debug = [line["message"] for line in host.logs if line["level"] == "debug"]
        self.assertTrue(debug[-2].endswith(" 201") and debug[-1].endswith(" {}"), debug)

    async def test_by_the_list_of_active_plugins_and_with_the_store_down(self):
        port = reserved(self, DOCUMENT, 5020)
        env = {**self.env, "LUNA_HANDLERS_ACTIVE_PLUGINS": "[event_sending_plugin_example]"}
        command = runner("--compat", "luna", "--path", self.folder)
        async with Host(command=command, env=env, begin=False) as host:
            await host.hello()
            await host.configure({})
            started = asyncio.ensure_future(host.ask("start"))
            await host.until(lambda: host.statuses)
            self.assertIn("ClientConnector", host.statuses[0]["detail"])
            with self.assertRaisesRegex(RpcError, "initialize of EventSendingPlugin failed"):
                await host.events("sending_event", EVENT)
            await self.store(port)
            self.assertEqual(await started, {})
            await host.events("sending_event", EVENT)

    async def test_it_tells_events_from_raw_ones(self):
        from nightbell_plugin.compat import luna
        from nightbell_plugin.compat.luna.events import Event, RawEvent
        from nightbell_plugin.compat.standins import StandIns

        store = await self.store()
        served = StandIns("LUNA", luna.modules()).install()
        self.addCleanup(served.remove)
        if importlib.util.find_spec("aiohttp") is None:
            sys.path.append(os.path.join(HERE, "doubles"))
            self.addCleanup(sys.path.remove, sys.path[-1])
            self.addCleanup(sys.modules.pop, "aiohttp", None)
        names = {}
        with open(self.file, encoding="utf-8") as file:
            exec(compile(file.read(), self.file, "exec"), names)
        plugin = names["EventSendingPlugin"](luna.LunaApplication())
        both = [Event({"event_id": "1"}), RawEvent({"event_id": "2"})]
        with self.assertLogs("luna", "DEBUG"), contextlib.redirect_stdout(io.StringIO()):
            await plugin.initialize()
            await plugin.handleEvent(both, "h", "a", "r", "t1", "t2", luna.logger)
            await plugin.close()
        said = json.loads(store.asked[-1][1])
        self.assertEqual(said["events"], [{"event_id": "1"}, {"event_id": "2"}])
        self.assertEqual((said["handler_id"], said["event_end_time"]), ("h", "t2"))


class Kinds(Case):
    async def test_background_work_with_routes(self):
        for prefix in ("luna_plugins.base", "cow.plugins"):
            path = self.write("background.py", BACKGROUND.format(prefix=prefix))
            async with Host(command=runner("--file", path)) as host:
                self.assertEqual(
                    [(route["path"], route["methods"]) for route in host.provides["routes"]],
                    [("/teapot", ["GET"]), ("/teapot/version", ["GET"]), ("/item/<number>", ["POST"])],
                )
                answer = await host.request("/teapot")
                self.assertEqual((answer["status"], answer["body"]), (418, "I am teapot"))
                self.assertEqual(answer["headers"], {"content-type": "text/plain"})
                self.assertEqual((await host.request("/teapot/version"))["body"], "T800")
                self.assertEqual((await host.request("/teapot", "POST"))["status"], 405)
                answer = await host.request(
                    "/item/<number>",
                    "POST",
                    arguments={"number": "7"},
                    query="a=1&a=2",
                    headers=[["content-type", "x/y"]],
                    body="[1]",
                )
                self.assertEqual(
                    (answer["status"], json.loads(answer["body"])),
                    (201, {"number": 7, "sent": [1], "args": {"a": ["1", "2"]}, "kind": "x/y"}),
                )
                answer = await host.request("/item/<number>", "POST", arguments={"number": "x"})
                self.assertEqual(answer["status"], 404)
                await host.until(lambda: any(line["message"] == "temperature 2" for line in host.logs))
            self.assertEqual(self.said(host, "closed"), ["closed True"])

    async def test_monitoring_and_background_work_share_a_queue(self):
        path = self.write("batching.py", BATCHING)
        async with Host(command=runner("--file", path)) as host:
            data = {"method": "POST", "route": "/api/v1/events", "status": 503, "duration_ms": 250}
            await host.events("monitoring_event", {**SERVED, "data": data})
            await host.until(lambda: len(self.said(host, "[")) == 2)
        first, second = (json.loads(line) for line in self.said(host, "["))
        tags = {"service": "nightbell", "route": "POST:/api/v1/events", "status_code": 503}
        self.assertEqual(first, ["requests", tags, ["execution_time", "request_id"], 1769860800.0])
        self.assertEqual(second, ["errors", {**tags, "error_code": 503}, ["request_id"], 1769860800.0])
        self.assertEqual(self.said(host, "old"), ["old 2"])

    async def test_one_that_fails_harms_no_other(self):
        self.write("neighbour.py", NEIGHBOUR)
        path = self.write("failing.py", FAILING)
        async with Host(command=runner("--file", path)) as host:
            self.assertIn("store is down 2", host.statuses[1]["detail"])
            self.assertEqual(host.statuses[-1]["status"], "ok")
            await host.events("sending_event", EVENT)
            self.assertTrue(any("does not understand" in line["message"] for line in host.logs))
            refused = {**EVENT, "id": "r", "data": {**EVENT["data"], "title": "refused"}}
            for _ in range(2):
                with self.assertRaisesRegex(RpcError, "nobody there"):
                    await host.events("sending_event", refused)
            await host.events("incident.opened", {"topic": "incident.opened", "data": {"id": "i1"}})
            await host.until(lambda: self.said(host, "opened") == ["opened i1"])
        # brought in twice under two names, made once
        self.assertEqual(self.said(host, "made"), ["made"])
        # the batch that came again was not handled again by the one that had handled it
        self.assertEqual(len(self.said(host, "good")), 2)

    async def test_what_cannot_be_activated_is_said(self):
        for text, words in [
            ("import cow.nothing", "No module named 'cow.nothing': Nightbell stands in for LUNA without it"),
            ("from cow.plugins.plugins_meta.base_plugins import BaseEventPlugin", "has no class that realises"),
            (
                "from cow.plugins.plugins_meta.base_plugins import BaseEventPlugin\nclass A(BaseEventPlugin):\n"
                "    eventName = 'other'\n    async def handleEvent(self): pass",
                "there is no event 'other': known are monitoring_event, sending_event",
            ),
        ]:
            path = self.write("wrong.py", text)
            async with Host(command=runner("--file", path), begin=False) as host:
                self.assertEqual(await host.ended(), 78)
                self.assertIn(words, host.errors.decode().splitlines()[-1])


if __name__ == "__main__":
    unittest.main()
