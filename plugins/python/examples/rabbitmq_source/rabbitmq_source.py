"""A background plugin of LUNA's shape that takes events from a queue of RabbitMQ.

A message is acknowledged when the hub has its event on disk, so that nothing is lost when either of the
three dies. What the hub refuses is rejected: the queue's dead letter exchange gets it, if there is one.
"""

import asyncio
import json
import struct

from amqp_lite import Amqp
from luna_plugins.base.plugins_meta.base_plugins import BaseBackgroundPlugin

from nightbell_plugin import RpcError

WRONG = -32602
"""The hub's word for what is no event."""
LONGEST_REST = 30.0


class RabbitMQSource(BaseBackgroundPlugin):
    """Takes events from RabbitMQ until it is closed."""

    def __init__(self, app):
        super().__init__(app)
        self.task = None

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
            except (OSError, EOFError, struct.error) as error:
                self.app.ctx.hub.status("degraded", f"RabbitMQ: {error}")
                await asyncio.sleep(rest)
                rest = min(rest * 2, LONGEST_REST)

    async def take(self):
        config = self.app.config
        queue = config.get("queue", "nightbell")
        amqp = await Amqp.connect(
            config.get("host", "127.0.0.1"),
            config.get("port", 5672),
            config.get("user", "guest"),
            config.get("password", "guest"),
            config.get("virtual_host", "/"),
        )
        try:
            await amqp.declare(queue)
            await amqp.consume(queue)
            self.app.ctx.hub.status("ok")
            while True:
                tag, body = await amqp.message()
                try:
                    await self.app.ctx.hub.emit(json.loads(body))
                except (ValueError, TypeError, RpcError) as error:
                    if getattr(error, "code", WRONG) != WRONG:
                        # it is not acknowledged, and comes again with the next connection
                        raise ConnectionError(f"the hub: {error}") from error
                    self.app.ctx.logger.error(f"not an event: {error}")
                    await amqp.reject(tag)
                else:
                    await amqp.acknowledge(tag)
        finally:
            amqp.close()
