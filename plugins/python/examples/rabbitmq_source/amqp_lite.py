"""The little of AMQP 0-9-1 that it takes to read a queue and to write to it."""

import asyncio
import struct

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
END = 0xCE
CHANNEL = 1
PREFETCH = 16
"""Messages that may be on their way to us."""
HEARTBEAT_SECONDS = 20
CONNECT_SECONDS = 10
MAX_FRAME = 1 << 17
MAX_MESSAGE = 1 << 20

CONNECTION_START, CONNECTION_START_OK = (10, 10), (10, 11)
CONNECTION_TUNE, CONNECTION_TUNE_OK = (10, 30), (10, 31)
CONNECTION_OPEN, CONNECTION_OPEN_OK = (10, 40), (10, 41)
CONNECTION_CLOSE, CHANNEL_CLOSE = (10, 50), (20, 40)
CHANNEL_OPEN, CHANNEL_OPEN_OK = (20, 10), (20, 11)
QUEUE_DECLARE, QUEUE_DECLARE_OK = (50, 10), (50, 11)
QOS, QOS_OK = (60, 10), (60, 11)
CONSUME, CONSUME_OK = (60, 20), (60, 21)
PUBLISH, DELIVER, ACKNOWLEDGE, REJECT = (60, 40), (60, 60), (60, 80), (60, 90)
DURABLE = 2


def short(text):
    data = text.encode()
    return struct.pack(">B", len(data)) + data


def long(data):
    return struct.pack(">I", len(data)) + data


# so that the server says that the password is wrong, and does not just hang up
CAPABILITIES = long(short("capabilities") + b"F" + long(short("authentication_failure_close") + b"t\1"))


class Amqp:
    """One connection with one channel."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, host, port, user, password, virtual_host):
        amqp = cls(*await asyncio.open_connection(host, port))
        try:
            await asyncio.wait_for(amqp._open(user, password, virtual_host), CONNECT_SECONDS)
        except BaseException as error:
            amqp.close()
            if isinstance(error, asyncio.TimeoutError):
                raise ConnectionError(f"no answer within {CONNECT_SECONDS} s") from None
            raise
        return amqp

    async def _open(self, user, password, virtual_host):
        self.writer.write(b"AMQP\x00\x00\x09\x01")
        await self._method(CONNECTION_START)
        login = f"\0{user}\0{password}".encode()
        self._send(0, CONNECTION_START_OK, CAPABILITIES + short("PLAIN") + long(login) + short("en_US"))
        channels, frame, _ = struct.unpack(">HIH", await self._method(CONNECTION_TUNE))
        frame = min(frame or MAX_FRAME, MAX_FRAME)
        self._send(0, CONNECTION_TUNE_OK, struct.pack(">HIH", channels, frame, HEARTBEAT_SECONDS))
        self._send(0, CONNECTION_OPEN, short(virtual_host) + short("") + b"\0")
        await self._method(CONNECTION_OPEN_OK)
        self._send(CHANNEL, CHANNEL_OPEN, short(""))
        await self._method(CHANNEL_OPEN_OK)

    async def declare(self, queue):
        """Makes a durable queue, if there is none."""
        self._send(CHANNEL, QUEUE_DECLARE, struct.pack(">H", 0) + short(queue) + struct.pack(">B", DURABLE) + long(b""))
        await self._method(QUEUE_DECLARE_OK)

    async def consume(self, queue):
        """Asks for the messages of a queue."""
        self._send(CHANNEL, QOS, struct.pack(">IHB", 0, PREFETCH, 0))
        await self._method(QOS_OK)
        self._send(CHANNEL, CONSUME, struct.pack(">H", 0) + short(queue) + short("") + b"\0" + long(b""))
        await self._method(CONSUME_OK)

    async def message(self):
        """The next message: the tag by which it is acknowledged, and its body."""
        arguments = await self._method(DELIVER)
        at = 1 + arguments[0]
        (tag,) = struct.unpack_from(">Q", arguments, at)
        header = await self._frame(HEADER)
        (size,) = struct.unpack_from(">Q", header, 4)
        if size > MAX_MESSAGE:
            raise ConnectionError(f"a message of {size} bytes is more than {MAX_MESSAGE}")
        body = b""
        while len(body) < size:
            body += await self._frame(BODY)
        return tag, body

    async def acknowledge(self, tag):
        """The message is done."""
        self._send(CHANNEL, ACKNOWLEDGE, struct.pack(">QB", tag, 0))
        await self.writer.drain()

    async def reject(self, tag):
        """The message is not wanted, and is not to come again."""
        self._send(CHANNEL, REJECT, struct.pack(">QB", tag, 0))
        await self.writer.drain()

    async def publish(self, queue, body):
        """Puts a message into a queue that outlives the server's end."""
        self._send(CHANNEL, PUBLISH, struct.pack(">H", 0) + short("") + short(queue) + b"\0")
        # one property: the delivery mode, 2 for what is kept on disk
        self._write(HEADER, CHANNEL, struct.pack(">HHQHB", 60, 0, len(body), 0x1000, 2))
        self._write(BODY, CHANNEL, body)
        await self.writer.drain()

    def close(self):
        self.writer.close()

    def _send(self, channel, method, arguments):
        self._write(METHOD, channel, struct.pack(">HH", *method) + arguments)

    def _write(self, kind, channel, payload):
        self.writer.write(struct.pack(">BHI", kind, channel, len(payload)) + payload + bytes([END]))

    async def _method(self, expected):
        """The arguments of the method that must come next."""
        payload = await self._frame(METHOD)
        method = struct.unpack_from(">HH", payload)
        if method in (CONNECTION_CLOSE, CHANNEL_CLOSE):
            (code,) = struct.unpack_from(">H", payload, 4)
            text = payload[7 : 7 + payload[6]].decode("utf-8", "replace")
            raise ConnectionError(f"the server closes: {text} ({code})")
        if method != expected:
            raise ConnectionError(f"the server said {method} where {expected} was expected")
        return payload[4:]

    async def _frame(self, expected):
        """The payload of the frame that must come next; heartbeats are answered in between."""
        silent = 0
        while True:
            head = asyncio.ensure_future(self.reader.readexactly(7))
            while not (await asyncio.wait({head}, timeout=HEARTBEAT_SECONDS / 2))[0]:
                silent += 1
                if silent > 4:
                    head.cancel()
                    raise ConnectionError("the server says nothing any more")
                self._write(HEARTBEAT, 0, b"")
            kind, _, size = struct.unpack(">BHI", head.result())
            if size > MAX_FRAME:
                raise ConnectionError(f"a frame of {size} bytes is more than {MAX_FRAME}")
            payload = (await self.reader.readexactly(size + 1))[:-1]
            if kind == HEARTBEAT:
                self._write(HEARTBEAT, 0, b"")
            elif kind != expected:
                raise ConnectionError(f"the server sent a frame {kind} where {expected} was expected")
            else:
                return payload
