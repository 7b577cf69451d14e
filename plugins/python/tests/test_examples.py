"""The examples, against the servers that they are for."""

import asyncio
import importlib.util
import json
import os
import shutil
import socket
import sys
import tempfile
import unittest

from nightbell_plugin import RpcError
from nightbell_plugin.testing import Host, runner

EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "examples")


def free_port():
    """A port that the system just gave out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def example(name):
    """The module of an example, for what it brings to speak with its server."""
    from nightbell_plugin.compat import luna
    from nightbell_plugin.compat.standins import StandIns

    served = StandIns("LUNA", luna.modules()).install()
    try:
        path = os.path.join(EXAMPLES, name, f"{name}.py")
        spec = importlib.util.spec_from_file_location(f"example_{name}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        served.remove()


@unittest.skipUnless(shutil.which("redis-server"), "there is no redis-server")
class RedisSource(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.port = free_port()
        self.module = example("redis_source")
        self.server = await self.serve()
        self.redis = await self.connect()

    async def serve(self):
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder, "--appendonly", "yes"]
        server = await asyncio.create_subprocess_exec(
            "redis-server", *words, stdout=asyncio.subprocess.DEVNULL, stdin=asyncio.subprocess.DEVNULL
        )
        self.addAsyncCleanup(self.end, server)
        return server

    async def end(self, server):
        if server.returncode is None:
            server.kill()
            await server.wait()

    async def connect(self):
        for _ in range(500):
            try:
                redis = await self.module.Redis.connect("127.0.0.1", self.port)
                await redis.ask("PING")
                self.addCleanup(redis.close)
                return redis
            except OSError:
                await asyncio.sleep(0.02)
        raise AssertionError("Redis did not start")

    def host(self):
        path = os.path.join(EXAMPLES, "redis_source")
        command = runner("--compat", "luna", "--path", path, "--module", "redis_source")
        return Host(command=command, settings={"port": self.port})

    async def lengths(self):
        names = ("nightbell", "nightbell:taken", "nightbell:refused")
        return [int(await self.redis.ask("LLEN", name)) for name in names]

    async def test_events_are_taken_in_order_and_none_is_lost(self):
        # what was taken by one that died before the hub had it
        await self.redis.ask("LPUSH", "nightbell:taken", '{"title": "first"}')
        await self.redis.ask("LPUSH", "nightbell", '{"title": "second"}')
        async with self.host() as host:
            await host.until(lambda: len(host.emitted) == 2)
            await self.redis.ask("LPUSH", "nightbell", "no JSON", '{"title": "third"}')
            await host.until(lambda: len(host.emitted) == 3)
            self.assertEqual([event["title"] for event in host.emitted], ["first", "second", "third"])
            answer = await host.request("/counts")
            self.assertEqual(json.loads(answer["body"]), {"taken": 3, "refused": 1})

            def wrong(params):
                raise RpcError(-32602, "title must be given")

            def full(params):
                host.answers.pop("emit")
                raise RpcError(-32603, "the disk is full")

            host.answers["emit"] = wrong
            await self.redis.ask("LPUSH", "nightbell", '{"titel": "fourth"}')
            await host.until(lambda: any("title must be given" in line["message"] for line in host.logs))
            host.answers["emit"] = full
            await self.redis.ask("LPUSH", "nightbell", '{"title": "fifth"}')
            await host.until(lambda: len(host.emitted) == 4)
            details = [status["detail"] for status in host.statuses]
            self.assertEqual(details, ["Redis: the hub: the disk is full", ""])
        self.assertEqual(await self.lengths(), [0, 0, 2])

    async def test_a_server_that_is_away_is_waited_for(self):
        async with self.host() as host:
            await self.end(self.server)
            await host.until(lambda: host.statuses and host.statuses[-1]["status"] == "degraded")
            self.server = await self.serve()
            self.redis = await self.connect()
            await self.redis.ask("LPUSH", "nightbell", '{"title": "again"}')
            await host.until(lambda: host.emitted)
            self.assertEqual(host.statuses[-1]["status"], "ok")
            self.assertEqual((await host.ask("health"))["status"], "ok")


if __name__ == "__main__":
    sys.exit(unittest.main())
