"""The little of `aiohttp` that a plugin's example needs, over real sockets, for machines without it."""

import asyncio
import json as standard_json
from urllib.parse import urlsplit

open_sessions = 0


class ClientError(Exception):
    pass


class ClientConnectorError(ClientError, OSError):
    pass


class Response:
    def __init__(self, status, body):
        self.status, self._body = status, body

    async def text(self):
        return self._body.decode()

    async def json(self):
        return standard_json.loads(self._body)


class _Asked:
    def __init__(self, url, json):
        self._url, self._json = url, json

    async def __aenter__(self):
        parts = urlsplit(self._url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        body = b"" if self._json is None else standard_json.dumps(self._json).encode()
        try:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        except OSError as error:
            raise ClientConnectorError(str(error)) from error
        head = f"POST {path} HTTP/1.0\r\nHost: {parts.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = await reader.read()
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return Response(int(head.split()[1]), body)

    async def __aexit__(self, *_):
        pass


class ClientSession:
    def __init__(self):
        asyncio.get_running_loop()
        self._open = True
        global open_sessions
        open_sessions += 1

    async def close(self):
        global open_sessions
        if self._open:
            self._open = False
            open_sessions -= 1
            print(f"sessions open: {open_sessions}")

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()

    def post(self, url, json=None):
        return _Asked(url, json)
