"""The wire by itself: lines, limits, errors."""

import asyncio
import json
import os
import random
import unittest

from nightbell_plugin import wire
from nightbell_plugin.pipes import Reader, Writer
from nightbell_plugin.wire import Peer, RpcError, decode, encode


class Lines(unittest.TestCase):
    def test_numbers_that_json_does_not_have_become_null(self):
        line = encode({"a": [float("nan"), 1.5], "b": {"c": float("-inf")}, 3: "three"})
        self.assertEqual(json.loads(line), {"a": [None, 1.5], "b": {"c": None}, "3": "three"})

    def test_surrogates_are_joined_and_lone_ones_replaced(self):
        self.assertEqual(decode(encode({"a": "\ud83d\ude00 \ud800!"})), {"a": "😀 \ufffd!"})
        self.assertEqual(decode(b'{"a": "\\ud83d\\ude00 \\ud800!"}'), {"a": "😀 \ufffd!"})

    def test_what_is_nested_without_end_is_an_error(self):
        circle = []
        circle.append(circle)
        deep = []
        for _ in range(100_000):
            deep = [deep]
        for value in (circle, deep):
            with self.assertRaises(ValueError):
                encode(value)
        with self.assertRaises(ValueError):
            decode(b"[" * 100_000)

    def test_what_is_not_json_is_an_error(self):
        for line in (b"NaN", b"{", b"\xff", b'{"a": Infinity}', b"9" * 10_000):
            with self.subTest(line=line[:20]), self.assertRaises(ValueError):
                if line.startswith(b"9"):
                    decode(b"[" + line)  # not closed
                decode(line)

    def test_an_exception_is_its_last_line(self):
        self.assertEqual(wire.last_line(ValueError("one\n two \n\n")), "ValueError: two")
        self.assertEqual(wire.last_line(KeyError()), "KeyError")


class Ends(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.written = bytearray()
        self.waiting = 0
        self.noted = []
        self.gate = asyncio.Event()

        async def echo(params):
            return params

        async def hang(params):
            await self.gate.wait()

        async def fail(params):
            raise OSError("first\nsecond")

        async def long(params):
            return "x" * wire.MAX_LINE

        async def odd(params):
            circle = {}
            circle["it"] = circle
            return circle

        methods = {"echo": echo, "hang": hang, "fail": fail, "long": long, "odd": odd}
        notes = {"note": self.noted.append, "bad": lambda params: params["missing"]}
        self.peer = Peer(self.written.extend, methods, notes, lambda: self.waiting)

    async def said(self):
        for _ in range(5):
            await asyncio.sleep(0)
        lines = [json.loads(line) for line in bytes(self.written).splitlines()]
        self.written.clear()
        return lines

    async def ask(self, text):
        self.peer.feed(text if isinstance(text, bytes) else text.encode())
        return await self.said()

    async def test_a_request_is_answered_under_its_id_wherever_lines_are_cut(self):
        line = '{"jsonrpc":"2.0","id":"ä","method":"echo","params":{"a":1}}\n'.encode()
        for byte in line[:-1]:
            self.peer.feed(bytes([byte]))
        self.assertEqual(await self.said(), [])
        self.assertEqual(
            await self.ask(line[-1:]), [{"jsonrpc": "2.0", "id": "ä", "result": {"a": 1}}]
        )

    async def test_many_lines_at_once_are_answered_in_one_write(self):
        writes = []
        self.peer._write = writes.append
        self.peer.feed(b"".join(b'{"id":%d,"method":"echo"}\n' % number for number in range(50)))
        for _ in range(5):
            await asyncio.sleep(0)
        self.assertEqual(len(writes), 1)
        self.assertEqual([json.loads(line)["id"] for line in writes[0].splitlines()], list(range(50)))

    async def test_what_is_wrong_is_said_with_its_code(self):
        for text, id_, code in [
            ("what?\n", None, wire.NOT_JSON),
            ("[]\n", None, wire.NOT_A_REQUEST),
            ('{"id":1}\n', None, wire.NOT_A_REQUEST),
            ('{"id":null,"method":"echo"}\n', None, wire.NOT_A_REQUEST),
            ('{"id":1.5,"method":"echo"}\n', None, wire.NOT_A_REQUEST),
            ('{"id":true,"method":"echo"}\n', None, wire.NOT_A_REQUEST),
            ('{"id":2,"method":"other"}\n', 2, wire.NO_SUCH_METHOD),
            ('{"id":3,"method":"echo","params":[]}\n', 3, wire.WRONG_PARAMETERS),
            ('{"id":4,"method":"fail"}\n', 4, wire.FAILED),
            ('{"id":5,"method":"long"}\n', 5, wire.FAILED),
            ('{"id":6,"method":"odd"}\n', 6, wire.FAILED),
        ]:
            with self.subTest(text=text), self.quiet():
                (answer,) = await self.ask(text)
                self.assertEqual((answer["id"], answer["error"]["code"]), (id_, code))
                self.assertLess(len(answer["error"]["message"]), 300)

    def quiet(self):
        import logging

        class Quiet:
            def __enter__(self):
                logging.disable(logging.CRITICAL)

            def __exit__(self, *_):
                logging.disable(logging.NOTSET)

        return Quiet()

    async def test_a_line_that_is_too_long_is_skipped_whatever_its_pieces(self):
        for piece in (1 << 16, wire.MAX_LINE + 5, 3 * wire.MAX_LINE):
            with self.subTest(piece=piece):
                text = b"x" * (2 * wire.MAX_LINE) + b'\n{"id":1,"method":"echo"}\n'
                for begin in range(0, len(text), piece):
                    self.peer.feed(text[begin : begin + piece])
                wrong, answer = await self.said()
                self.assertEqual(wrong["error"]["code"], wire.NOT_A_REQUEST)
                self.assertEqual(answer["result"], {})
                self.assertLess(len(self.peer._buffer), wire.MAX_LINE)

    async def test_no_bytes_upset_it(self):
        chance = random.Random(4711)
        parts = [b"{", b"}", b'"id":', b"1", b"null", b",", b'"method":"echo"', b'"params":']
        parts += [b"[", b"]", b"\n", b"\xff"]
        parts += [b'{"method":"$/cancel","params":{"id":[]}}\n', b'{"id":{},"result":1}\n', b'"error":', b"\\ud800"]
        for _ in range(3000):
            self.peer.feed(b"".join(chance.choices(parts, k=chance.randrange(12))))
        said = await self.ask('\n{"id":"last","method":"echo","params":{"a":"\\ud800"}}\n')
        self.assertEqual([line["result"] for line in said if line["id"] == "last"], [{"a": "\ufffd"}])

    async def test_a_request_is_cancelled_and_its_id_is_free_again(self):
        self.assertEqual(await self.ask('{"id":1,"method":"hang"}\n'), [])
        (twice,) = await self.ask('{"id":1,"method":"hang"}\n')
        self.assertEqual(twice["error"]["code"], wire.NOT_A_REQUEST)
        (answer,) = await self.ask('{"method":"$/cancel","params":{"id":1}}\n')
        self.assertEqual((answer["id"], answer["error"]["code"]), (1, wire.CANCELLED))
        self.assertEqual(await self.ask('{"method":"$/cancel","params":{"id":1}}\n'), [])
        (answer,) = await self.ask('{"id":1,"method":"echo"}\n')
        self.assertEqual(answer["result"], {})

    async def test_a_request_that_is_cancelled_before_it_has_begun_is_answered_too(self):
        (answer,) = await self.ask('{"id":1,"method":"echo"}\n{"method":"$/cancel","params":{"id":1}}\n')
        self.assertEqual((answer["id"], answer["error"]["code"]), (1, wire.CANCELLED))
        (answer,) = await self.ask('{"id":1,"method":"echo"}\n')
        self.assertEqual(answer["result"], {})

    async def test_requests_have_a_limit(self):
        text = "".join(f'{{"id":{number},"method":"hang"}}\n' for number in range(wire.MAX_SERVED + 1))
        (answer,) = await self.ask(text)
        self.assertEqual((answer["id"], answer["error"]["code"]), (wire.MAX_SERVED, wire.TOO_MUCH))
        self.peer.close("over")
        await self.said()

    async def test_notifications_are_heard_and_unknown_ones_dropped(self):
        with self.quiet():
            said = await self.ask('{"method":"note","params":{"a":1}}\n{"method":"other"}\n{"method":"bad"}\n')
        self.assertEqual((said, self.noted), ([], [{"a": 1}]))

    async def test_a_question_gets_its_answer_once(self):
        asked = asyncio.ensure_future(self.peer.request("question", {"a": 1}))
        (question,) = await self.said()
        self.assertEqual((question["method"], question["params"]), ("question", {"a": 1}))
        answer = json.dumps({"id": question["id"], "result": 7}) + "\n"
        await self.ask(answer + answer + '{"id":[],"result":1}\n')
        self.assertEqual(await asked, 7)
        self.assertEqual(self.peer.dropped, 2)

    async def test_an_error_no_answer_and_the_end_are_errors(self):
        asked = asyncio.ensure_future(self.peer.request("question"))
        (question,) = await self.said()
        await self.ask(json.dumps({"id": question["id"], "error": {"code": -32003, "message": "no"}}) + "\n")
        with self.assertRaises(RpcError) as refused:
            await asked
        self.assertEqual((refused.exception.code, str(refused.exception)), (wire.NOT_PERMITTED, "no"))

        with self.assertRaises(RpcError) as late:
            await self.peer.request("question", timeout=0.001)
        self.assertEqual(late.exception.code, wire.TIME_OVER)
        self.assertEqual((await self.said())[-1]["method"], "$/cancel")

        asked = asyncio.ensure_future(self.peer.request("question"))
        await self.said()
        self.peer.close("the host is gone")
        for question in (asked, self.peer.request("another")):
            with self.assertRaisesRegex(RpcError, "the host is gone"):
                await question

    async def test_questions_keep_to_their_credit(self):
        asked = [asyncio.ensure_future(self.peer.request("q")) for _ in range(wire.MAX_CALLS + 10)]
        first = await self.said()
        self.assertEqual(len(first), wire.MAX_CALLS)
        answers = "".join(json.dumps({"id": question["id"], "result": 1}) + "\n" for question in first)
        rest = await self.ask(answers)
        self.assertEqual(len(rest), 10)
        self.peer.close("over")
        await asyncio.gather(*asked, return_exceptions=True)

    async def test_a_question_that_is_too_long_is_not_asked(self):
        with self.assertRaises(RpcError):
            await self.peer.request("q", {"a": "x" * wire.MAX_LINE})
        self.assertEqual(await self.said(), [])

    async def test_notifications_are_dropped_when_nobody_reads(self):
        self.waiting = wire.MAX_BACKLOG + 1
        self.peer.notify("log", {"message": "x"})
        self.assertEqual((await self.said(), self.peer.dropped), ([], 1))


class Pipes(unittest.IsolatedAsyncioTestCase):
    async def test_what_is_not_read_waits_and_nothing_is_lost(self):
        read, write = os.pipe()
        received, ended, broken = bytearray(), asyncio.Event(), asyncio.Event()
        writer = Writer(write, broken.set)
        data = os.urandom(3 << 20)
        writer.write(data[: 1 << 20])
        writer.write(data[1 << 20 :])
        self.assertGreater(writer.backlog, 1 << 20)
        reader = Reader(read, received.extend, ended.set)
        await asyncio.wait_for(writer.empty(), 10)
        self.assertEqual(writer.backlog, 0)
        os.close(write)
        await asyncio.wait_for(ended.wait(), 10)
        self.assertEqual(bytes(received), data)
        reader.close()
        os.close(read)

    async def test_a_reader_that_is_gone_is_noticed(self):
        read, write = os.pipe()
        broken = asyncio.Event()
        writer = Writer(write, broken.set)
        writer.write(b"x" * (1 << 20))
        waits = asyncio.ensure_future(writer.empty())
        await asyncio.sleep(0)
        os.close(read)
        await asyncio.wait_for(waits, 10)
        self.assertTrue(broken.is_set())
        writer.write(b"more")
        self.assertEqual(writer.backlog, 0)
        os.close(write)


if __name__ == "__main__":
    unittest.main()
