"""The examples, against the servers that they are for."""

import asyncio
import importlib.util
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import unittest

from nightbell_plugin import RpcError
from nightbell_plugin.compat import luna
from nightbell_plugin.compat.standins import StandIns
from nightbell_plugin.testing import Host, runner

EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "examples")


def free_port():
    """A port that the system just gave out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def module_of(name, part):
    """A module of an example, for what it brings to speak with its server."""
    served = StandIns("LUNA", luna.modules()).install()
    try:
        spec = importlib.util.spec_from_file_location(f"example_{part}", os.path.join(EXAMPLES, name, f"{part}.py"))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        served.remove()


def host_of(name, settings):
    """A host that runs an example."""
    path = os.path.join(EXAMPLES, name)
    return Host(command=runner("--compat", "luna", "--path", path, "--module", name), settings=settings)


async def until_up(connect):
    """Connects as soon as the server is there."""
    for _ in range(1500):
        try:
            return await connect()
        except (OSError, EOFError):
            await asyncio.sleep(0.02)
    raise AssertionError("the server did not start")


@unittest.skipUnless(shutil.which("redis-server"), "there is no redis-server")
class RedisSource(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.port = free_port()
        self.module = module_of("redis_source", "redis_source")
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
        async def connect():
            redis = await self.module.Redis.connect("127.0.0.1", self.port)
            await redis.ask("PING")
            return redis

        redis = await until_up(connect)
        self.addCleanup(redis.close)
        return redis

    def host(self):
        return host_of("redis_source", {"port": self.port})

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
            await self.counted(host, {"taken": 3, "refused": 1})

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
            await self.redis.ask("LPUSH", "nightbell", "no JSON either")
            await host.until(lambda: sum("not an event" in line["message"] for line in host.logs) == 3)
        # only the very last may still be among those that are taken, if the end came in between
        new, taken, refused = await self.lengths()
        self.assertEqual(new, 0)
        self.assertIn((taken, refused), ((0, 3), (1, 3), (1, 2)))

    async def counted(self, host, expected):
        """Waits for the plugin's counts, which follow the hub's answers."""
        for _ in range(1000):
            counts = json.loads((await host.request("/counts"))["body"])
            if counts == expected:
                return
            await asyncio.sleep(0.01)
        self.assertEqual(counts, expected)

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


def rabbitmq():
    """Where RabbitMQ's own start script lies: Debian's insists on a user of its own."""
    return shutil.which("rabbitmq-server", path="/usr/lib/rabbitmq/bin") or shutil.which("rabbitmq-server")


@unittest.skipUnless(rabbitmq(), "there is no rabbitmq-server")
class RabbitMQSource(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.port, self.names = free_port(), free_port()
        plugins = os.path.join(folder, "enabled_plugins")
        with open(plugins, "w", encoding="utf-8") as file:
            file.write("[].\n")
        self.env = {
            **os.environ,
            "HOME": folder,
            "ERL_EPMD_PORT": str(self.names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"nightbell{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": os.path.join(folder, "data"),
            "RABBITMQ_LOG_BASE": os.path.join(folder, "log"),
            "RABBITMQ_PID_FILE": os.path.join(folder, "pid"),
            "RABBITMQ_CONFIG_FILE": os.path.join(folder, "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": plugins,
        }
        self.amqp = module_of("rabbitmq_source", "amqp_lite").Amqp
        self.server = await self.run_(rabbitmq())
        self.addAsyncCleanup(self.end)
        self.queue = await until_up(self.connect)

    async def run_(self, *words):
        null = asyncio.subprocess.DEVNULL
        return await asyncio.create_subprocess_exec(
            *words, stdin=null, stdout=null, stderr=null, env=self.env, start_new_session=True
        )

    async def end(self):
        self.queue.close()
        os.killpg(self.server.pid, signal.SIGKILL)
        await self.server.wait()
        # the daemon that knows Erlang's nodes outlives them; it lets itself be ended when it knows none
        for _ in range(100):
            killed = await self.run_("epmd", "-port", str(self.names), "-kill")
            if await killed.wait() == 0:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("epmd does not end")

    async def connect(self, password="guest"):
        return await self.amqp.connect("127.0.0.1", self.port, "guest", password, "/")

    async def left(self):
        """How many messages wait in the queue when nobody reads it."""
        read = await self.connect()
        read._send(1, (50, 10), b"\0\0\x09nightbell" + b"\x03" + b"\0\0\0\0")
        arguments = await read._method((50, 11))
        read.close()
        return int.from_bytes(arguments[1 + arguments[0] :][:4], "big")

    async def test_events_are_taken_in_order_and_none_is_lost(self):
        with self.assertRaisesRegex(ConnectionError, "ACCESS_REFUSED"):
            await self.connect("wrong")
        await self.queue.declare("nightbell")
        await self.queue.publish("nightbell", b'{"title": "first"}')
        async with host_of("rabbitmq_source", {"port": self.port}) as host:
            await self.queue.publish("nightbell", b"no JSON")
            await self.queue.publish("nightbell", b'{"title": "second"}')
            await host.until(lambda: len(host.emitted) == 2)

            def full(params):
                host.answers.pop("emit")
                raise RpcError(-32603, "the disk is full")

            host.answers["emit"] = full
            await self.queue.publish("nightbell", b'{"title": "third"}')
            await host.until(lambda: len(host.emitted) == 3)
            self.assertEqual([event["title"] for event in host.emitted], ["first", "second", "third"])
            details = [status["detail"] for status in host.statuses]
            self.assertEqual(details, ["RabbitMQ: the hub: the disk is full", ""])
            self.assertTrue(any("not an event" in line["message"] for line in host.logs))
            await self.queue.publish("nightbell", b'{"title": "last"}')
            await host.until(lambda: len(host.emitted) == 4)
        # only the very last may come again, if the end came before its acknowledgement
        self.assertLessEqual(await self.left(), 1)


if __name__ == "__main__":
    sys.exit(unittest.main())
