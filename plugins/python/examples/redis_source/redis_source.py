"""A background plugin of LUNA's shape that takes events from a list in Redis.

    LPUSH nightbell '{"title": "Disk is full", "severity": "error"}'

What is taken lies in a second list until the hub has it on its disk, so that nothing is lost when either of
the three dies. What the hub refuses is moved to a third one.
"""

import asyncio
import json

from luna_plugins.base.plugins_meta.base_plugins import BaseBackgroundHandler, BaseBackgroundPlugin
from nightbell_plugin import RpcError

WRONG = -32602
"""The hub's word for what is no event."""
WAIT_SECONDS = 1
LONGEST_REST = 30.0
MAX_REPLY = 1 << 20


class Redis:
    """The little of Redis' protocol that is needed."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, host, port):
        return cls(*await asyncio.open_connection(host, port))

    async def ask(self, *words):
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.writer.write(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        await self.writer.drain()
        kind, text = await self._line()
        if kind == b"-":
            raise ConnectionError(text.decode())
        if kind == b"$":
            length = int(text)
            if length > MAX_REPLY:
                raise ConnectionError(f"a value of {length} bytes is more than {MAX_REPLY}")
            return None if length < 0 else (await self.reader.readexactly(length + 2))[:-2]
        return None if text == b"-1" else text

    async def _line(self):
        line = await self.reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis has closed the connection")
        return line[:1], line[1:-2]

    def close(self):
        self.writer.close()


class Counts(BaseBackgroundHandler):
    """How many events there have been."""

    async def get(self, request):
        return self.response(body=json.dumps(request.app.ctx.counts), headers={"Content-Type": "application/json"})


class RedisSource(BaseBackgroundPlugin):
    """Takes events from Redis until it is closed."""

    def __init__(self, app):
        super().__init__(app)
        self.task = None

    async def initialize(self):
        self.app.ctx.counts = {"taken": 0, "refused": 0}
        self.addRoute("/counts", Counts)

    async def start(self):
        self.task = asyncio.create_task(self.follow())

    async def close(self):
        if self.task:
            self.task.cancel()
            await asyncio.wait([self.task])

    async def follow(self):
        rest = 0.1
        while True:
            try:
                await self.take()
            except (OSError, EOFError) as error:
                self.app.ctx.hub.status("degraded", f"Redis: {error}")
                await asyncio.sleep(rest)
                rest = min(rest * 2, LONGEST_REST)

    async def take(self):
        config = self.app.config
        name = config.get("list", "nightbell")
        redis = await Redis.connect(config.get("host", "127.0.0.1"), config.get("port", 6379))
        try:
            # what was taken before we died last time
            while await redis.ask("LMOVE", f"{name}:taken", name, "LEFT", "RIGHT") is not None:
                pass
            self.app.ctx.hub.status("ok")
            while True:
                text = await redis.ask("BLMOVE", name, f"{name}:taken", "RIGHT", "LEFT", WAIT_SECONDS)
                if text is not None:
                    await self.hand_on(redis, name, text)
        finally:
            redis.close()

    async def hand_on(self, redis, name, text):
        try:
            await self.app.ctx.hub.emit(json.loads(text))
            self.app.ctx.counts["taken"] += 1
        except (ValueError, TypeError, RpcError) as error:
            if getattr(error, "code", WRONG) != WRONG:
                raise ConnectionError(f"the hub: {error}") from error
            self.app.ctx.logger.error(f"not an event: {error}")
            self.app.ctx.counts["refused"] += 1
            await redis.ask("LPUSH", f"{name}:refused", text)
        await redis.ask("LREM", f"{name}:taken", 1, text)
