"""A plugin and its host in one process."""

import asyncio
import logging
import threading
import unittest
from datetime import datetime, timezone

from nightbell_plugin import (
    Check,
    Delivered,
    Delivery,
    Invalid,
    Misconfigured,
    Plugin,
    Rejected,
    Response,
    Retry,
    RpcError,
    Skipped,
    Ticket,
)
from nightbell_plugin.host import LogHandler
from nightbell_plugin.records import moment
from nightbell_plugin.testing import Host, message


class Records(unittest.TestCase):
    def test_fields_are_read_and_what_is_unknown_stays(self):
        raw = Host(Plugin()).delivery("foo", {"room": "a"}, what=message(facts=[["a", "b"]], later=1), id="d1")
        delivery = Delivery(raw)
        self.assertEqual((delivery.id, delivery.settings["room"]), ("d1", "a"))
        self.assertEqual(delivery.message.facts, [("a", "b")])
        first = delivery.message.notification.alerts[0]
        self.assertEqual(first.labels["alertname"], "DiskFull")
        self.assertEqual(first.started_at, datetime(2026, 1, 31, 12, 0, 0, 250000, timezone.utc))
        self.assertIsNone(first.ends_at)
        self.assertEqual(delivery.message.raw["later"], 1)
        self.assertIs(delivery.message, delivery.message)

    def test_what_is_missing_has_a_plain_value(self):
        delivery = Delivery({})
        self.assertEqual((delivery.id, delivery.attempt, delivery.recipients), ("", 0, []))
        self.assertEqual(delivery.message.notification.alerts, [])

    def test_times(self):
        for text, expected in [
            ("2026-01-31T12:00:00Z", (2026, 1, 31, 12, 0, 0, 0)),
            ("2026-01-31T12:00:00.123456789Z", (2026, 1, 31, 12, 0, 0, 123456)),
            ("2026-01-31T12:00:00.5+02:00", (2026, 1, 31, 10, 0, 0, 500000)),
        ]:
            self.assertEqual(moment(text), datetime(*expected, tzinfo=timezone.utc), text)
        for text in ("", "yesterday at around noon", None, 7):
            self.assertIsNone(moment(text))


class Deliveries(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)

    async def test_outcomes_that_cannot_be_told_or_are_too_long_spoil_no_others(self):
        plugin = Plugin()
        long = Rejected("\x01" * 5000, text="\x01" * 5000)

        class Unspeakable:
            def __str__(self):
                raise LookupError("no words")

        @plugin.destination("odd", batch=2)
        async def odd(deliveries):
            return [Delivered(status="nobody knows"), Rejected(reason=Unspeakable())]

        @plugin.destination("long", batch=64)
        async def many(deliveries):
            return [long] * len(deliveries)

        async with Host(plugin) as host:
            good, bad = await host.deliver_all([host.delivery("odd", id=id) for id in "ab"])
            self.assertEqual(good, {"id": "a", "outcome": "delivered"})
            self.assertEqual(bad["outcome"], "rejected")
            self.assertIn("cannot be told: LookupError", bad["reason"])
            outcomes = await host.deliver_all([host.delivery("long", id=str(n)) for n in range(64)])
            self.assertEqual({(one["outcome"], len(one["text"])) for one in outcomes}, {("rejected", 512)})

    async def test_what_else_an_outcome_carries_is_not_told(self):
        plugin = Plugin()
        plugin.destination("more")(lambda delivery: Rejected("no", id="another", body="x" * (1 << 20)))
        async with Host(plugin) as host:
            outcome = await host.deliver("more")
        outcome.pop("id")
        self.assertEqual(outcome, {"outcome": "rejected", "reason": "no"})

    async def test_what_is_returned_or_raised_is_the_outcome(self):
        cases = [
            (None, {"outcome": "delivered"}),
            (Delivered("m1", status=201, text="x" * 2000), {"receipt": "m1", "status": 201, "text": "x" * 1024}),
            (Retry("busy", after=1.5, fault="pace"), {"outcome": "retry", "after_ms": 1500, "fault": "pace"}),
            (Rejected("no such room"), {"outcome": "rejected", "reason": "no such room"}),
            (Skipped("nobody"), {"outcome": "skipped"}),
            (ValueError("first\nlast"), {"outcome": "retry", "reason": "ValueError: last"}),
            (TimeoutError("theirs"), {"outcome": "retry", "reason": "TimeoutError: theirs"}),
            (7, {"outcome": "retry"}),
        ]
        for value, expected in cases:
            for raises in (False, True):
                if raises and not isinstance(value, BaseException):
                    continue
                plugin = Plugin()

                def give():
                    if raises:
                        raise value
                    return value

                plugin.destination("sync")(lambda delivery: give())

                @plugin.destination("async")
                async def deliver(delivery):
                    return give()

                async with Host(plugin) as host:
                    for kind in ("sync", "async"):
                        outcome = await host.deliver(kind)
                        self.assertEqual({name: outcome.get(name) for name in expected}, expected, kind)

    async def test_each_of_several_has_its_own_outcome(self):
        plugin = Plugin()

        @plugin.destination("one")
        async def one(delivery):
            if delivery.settings.get("bad"):
                raise OSError("down")

        @plugin.destination("many", batch=64)
        async def many(deliveries):
            return [Delivered(delivery.id) for delivery in deliveries]

        @plugin.destination("wrong", batch=64)
        def wrong(deliveries):
            return []

        async with Host(plugin) as host:
            deliveries = [
                host.delivery("one", {"bad": True}),
                host.delivery("many"),
                host.delivery("one"),
                host.delivery("many"),
                host.delivery("wrong"),
                host.delivery("none"),
            ]
            outcomes = await host.deliver_all(deliveries)
        names = ["retry", "delivered", "delivered", "delivered", "retry", "retry"]
        self.assertEqual([outcome["outcome"] for outcome in outcomes], names)
        self.assertEqual(outcomes[3]["receipt"], deliveries[3]["id"])

    async def test_a_deadline_ends_what_takes_too_long_and_nothing_else(self):
        plugin, cancelled = Plugin(), asyncio.Event()

        @plugin.destination("async")
        async def hang(delivery):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

        plugin.destination("quick")(lambda delivery: None)
        async with Host(plugin) as host:
            outcome = await host.deliver("async", deadline_ms=20)
            self.assertEqual((outcome["outcome"], outcome["reason"]), ("retry", "not done within 20 ms"))
            self.assertTrue(cancelled.is_set())
            self.assertEqual((await host.deliver("quick"))["outcome"], "delivered")

    async def test_what_hangs_in_a_thread_is_not_answered_so_that_the_host_sees_it(self):
        plugin, gate, begun = Plugin(), threading.Event(), []
        self.addCleanup(gate.set)

        def hang(*_):
            begun.append(1)
            gate.wait()

        plugin.destination("sync")(hang)
        plugin.check("look")(hang)
        plugin.route("/x")(hang)
        plugin.subscription("all", ["incident.*"])(hang)
        plugin.destination("quick")(lambda delivery: None)
        async with Host(plugin) as host:
            asked = [
                host.deliver("sync", deadline_ms=20),
                host.ask("check", kind="look", deadline_ms=20),
                host.request("/x"),
                host.events("all", {"topic": "incident.opened"}),
            ]
            stuck = [asyncio.ensure_future(one) for one in asked]
            await host.until(lambda: len(begun) == len(stuck))
            for id_ in list(host.peer._calls):
                host.peer.notify("$/cancel", {"id": id_})
            # what comes after the cancelling, and after their time, is answered
            self.assertEqual((await host.deliver("quick"))["outcome"], "delivered")
            self.assertEqual((await host.ask("health"))["status"], "ok")
            await asyncio.wait(stuck, timeout=0.1)
            self.assertEqual([one.done() for one in stuck], [False] * len(stuck))
            gate.set()
            self.assertEqual((await stuck[0])["outcome"], "delivered")
            self.assertEqual((await stuck[1])["status"], "passing")

    async def test_functions_in_threads_work_side_by_side(self):
        plugin, barrier = Plugin(), threading.Barrier(64, timeout=10)
        plugin.destination("sync")(lambda delivery: (barrier.wait(), None)[1])
        async with Host(plugin) as host:
            outcomes = await host.deliver_all([host.delivery("sync") for _ in range(64)])
        self.assertEqual({outcome["outcome"] for outcome in outcomes}, {"delivered"})


class Asking(unittest.IsolatedAsyncioTestCase):
    async def test_the_host_is_asked_from_tasks_and_threads(self):
        plugin = Plugin()

        @plugin.destination("async")
        async def deliver(delivery):
            await plugin.host.kv.set("last", {"title": delivery.message.title})
            ids = await plugin.host.emit({"title": "one"}, {"title": "two"}, idempotency_key="k")
            await plugin.host.incident.act("i1", "note", by="bell", note="rang")
            return Delivered(",".join(ids))

        @plugin.destination("sync")
        def deliver_sync(delivery):
            wait, host = plugin.host.wait, plugin.host
            assert wait(host.incident.get("i1")) == {"id": "i1"}
            answer = wait(host.fetch("POST", "http://x.example/", body=b"\xff", timeout=2))
            assert answer.json() == {"ok": True} and answer.headers["Content-Type"] == "application/json"
            seen = wait(host.kv.get("last"))
            wait(host.kv.delete("last"))
            return Delivered(seen["title"] + str(wait(host.kv.get("last", 0))) + str(wait(host.kv.list("l"))))

        async with Host(plugin) as host:
            host.incidents["i1"] = {"id": "i1"}
            asked = []

            def fetch(params):
                asked.append(params)
                return {"status": 200, "headers": {"content-type": "application/json"}, "body": '{"ok": true}'}

            host.answers["fetch"] = fetch
            self.assertEqual((await host.deliver("async"))["receipt"], "event-0,event-1")
            self.assertEqual((await host.deliver("sync"))["receipt"], "Disk is full0[]")
            self.assertEqual((asked[0]["body_base64"], asked[0]["timeout_ms"]), ("/w==", 2000))
            self.assertEqual(host.emitted, [{"title": "one"}, {"title": "two"}])
            self.assertEqual(host.acts, [{"id": "i1", "verb": "note", "by": "bell", "note": "rang"}])
            with self.assertRaises(RuntimeError):
                plugin.host.wait(asyncio.sleep(0))

    async def test_what_it_does_says_because_of_which_request(self):
        plugin = Plugin()

        @plugin.destination("async")
        async def deliver(delivery):
            await asyncio.create_task(plugin.host.emit({"title": "in a task"}))

        @plugin.destination("sync")
        def deliver_sync(delivery):
            plugin.host.wait(plugin.host.incident.act("i1", "note"))
            plugin.host.wait(plugin.host.incident.get("i1"))

        async with Host(plugin) as host:
            asked = []
            for method in ("emit", "incident.act", "incident.get"):
                host.answers[method] = lambda params: asked.append(params.get("because")) or {}
            await host.deliver("async")
            await host.deliver("sync")
            await plugin.host.emit({"title": "of its own accord"})
        self.assertIsInstance(asked[0], int)
        self.assertEqual(asked, [asked[0], asked[0] + 1, None, None])

    async def test_events_in_a_list_are_refused_in_clear_words(self):
        async with Host(Plugin()) as host:
            with self.assertRaisesRegex(TypeError, r"emit\(\*events\)"):
                await host.plugin.host.emit([{"title": "one"}])
            with self.assertRaisesRegex(TypeError, "each a dict, not str"):
                await host.plugin.host.emit("one")

    async def test_an_error_and_a_log_of_whatever_sort_can_be_told(self):
        class Unspeakable:
            def __str__(self):
                raise RuntimeError("not to be told")

        plugin = Plugin()
        errors = iter([RpcError("E_ODD", "odd"), RpcError(True, {"a": 1}), RpcError(1 << 70, "x" * (1 << 20))])

        @plugin.subscription("hears", topics=["incident.*"])
        async def hears(events):
            plugin.host.log("info", "it creaks", value=Unspeakable())
            raise next(errors)

        async with Host(plugin) as host:
            for said in ("odd", "{'a': 1}", "x" * 2000):
                with self.assertRaises(RpcError) as raised:
                    await host.events("hears", {"topic": "incident.opened"})
                self.assertEqual((raised.exception.code, raised.exception.message), (-32603, said))
            self.assertIn("could not be written", host.logs[0]["message"])

    async def test_a_ticket_is_made_for_an_incident(self):
        plugin = Plugin()

        @plugin.ticket
        def make(wanted):
            return Ticket(17, "https://tickets.example/17", wanted.incident["title"] + wanted.note)

        async with Host(plugin) as host:
            self.assertEqual(host.features, ["ticket"])
            made = await host.ask("ticket", key="k", incident={"title": "Disk"}, by="ann", note="!")
            self.assertEqual(made, {"id": "17", "url": "https://tickets.example/17", "title": "Disk!"})

    async def test_a_validator_that_takes_two_things_sees_the_others(self):
        plugin = Plugin()

        @plugin.validate("destination", "foo")
        def look(value, others):
            if value in others:
                raise Invalid("room", "is told already")

        plugin.validate("removal", "foo")(lambda value: None)
        async with Host(plugin) as host:
            value = {"room": "a"}
            asked = {"what": "destination", "kind": "foo", "value": value}
            self.assertEqual(await host.ask("validate", **asked, others=[{"room": "b"}]), {"value": value})
            refused = await host.ask("validate", **asked, others=[value])
            self.assertEqual(refused["errors"], [{"path": "room", "message": "is told already"}])
            asked["what"] = "removal"
            self.assertEqual(await host.ask("validate", **asked, others=[value]), {"value": value})

    async def test_what_is_logged_names_its_delivery(self):
        plugin = Plugin()
        log = logging.Logger("mine")
        log.addHandler(LogHandler(plugin.host))

        @plugin.destination("async")
        async def deliver(delivery):
            await asyncio.sleep(0)
            plugin.host.log("info", "seen", number=1)

        plugin.destination("sync")(lambda delivery: log.warning("number %d", 2))
        async with Host(plugin) as host:
            await asyncio.gather(*(host.deliver(kind, id=kind) for kind in ("async", "sync")))
            plugin.host.log("debug", "x" * 2_000_000)
            await host.until(lambda: len(host.logs) == 3)
        by_delivery = {line.get("delivery"): line for line in host.logs}
        self.assertEqual(by_delivery["async"]["fields"], {"number": 1})
        self.assertEqual(by_delivery["sync"]["message"], "number 2")
        self.assertEqual(by_delivery["sync"]["level"], "warning")
        self.assertIsNotNone(by_delivery[None])


class Life(unittest.IsolatedAsyncioTestCase):
    async def test_it_says_what_it_provides(self):
        schema = {"type": "object"}
        plugin = Plugin(settings_schema=schema, user_schema=schema)
        plugin.destination("foo", title="Foo", settings=schema, audience="people", batch=8)(len)
        plugin.subscription("all", ["incident.*"], batch=10)(len)
        plugin.subscription("some", ["event.accepted"], sources=("mail",))(len)
        plugin.route("/x", methods=["get"])(len)
        plugin.route("/x", methods=["POST"])(len)
        # what one method of a path asks for says nothing of another
        plugin.route("/open", auth="none")(len)
        plugin.route("/open", methods=["POST"])(len)
        plugin.check("c", about="Of c.")(len)
        plugin.validate("destination", "foo")(len)
        plugin.validate("settings")(lambda settings: None)
        plugin.test("foo")(len)
        async with Host(plugin) as host:
            self.assertEqual(host.features, ["validate", "test"])
            self.assertEqual(
                host.provides,
                {
                    "destinations": [
                        {"kind": "foo", "title": "Foo", "audience": "people", "settings": schema, "batch": 8}
                    ],
                    "subscriptions": [
                        {"name": "all", "topics": ["incident.*"], "batch": 10},
                        {"name": "some", "topics": ["event.accepted"], "sources": ["mail"]},
                    ],
                    "routes": [
                        {"path": "/x", "methods": ["GET", "POST"], "auth": "token"},
                        {"path": "/open", "methods": ["GET"], "auth": "none"},
                        {"path": "/open", "methods": ["POST"], "auth": "token"},
                    ],
                    "checks": [{"kind": "c", "about": "Of c."}],
                    "settings": schema,
                    "user": schema,
                },
            )
        with self.assertRaises(ValueError):
            plugin.destination("foo")(print)
        with self.assertRaisesRegex(ValueError, "the route POST /open is there twice"):
            plugin.route("/open", methods=["PUT", "post"], auth="none")(print)

    async def test_another_contract_and_methods_that_it_has_not_are_refused(self):
        async with Host(Plugin(), begin=False) as host:
            with self.assertRaisesRegex(RpcError, "contract 1 only"):
                await host.ask("hello", protocol={"min": 2, "max": 3})
            for method in ("events", "validate", "test", "check", "ticket", "later"):
                with self.assertRaises(RpcError) as refused:
                    await host.ask(method)
                self.assertEqual(refused.exception.code, -32601)
            with self.assertRaises(RpcError) as refused:
                await host.ask("deliver", deliveries=7)
            self.assertEqual(refused.exception.code, -32602)
            self.assertEqual((await host.ask("hello", protocol={"min": 0, "max": 9}, more=1))["protocol"], 1)

    async def test_settings_that_are_refused_leave_the_old_ones(self):
        plugin, told = Plugin(), []

        @plugin.validate("settings")
        def look(settings):
            if settings.get("url") == "":
                raise Invalid([("url", "must be given"), ("", "all wrong")])
            return {"port": 80, **settings}

        @plugin.on_configure
        async def configured(settings):
            if settings.get("url") == "deny":
                raise Misconfigured("no access")
            told.append(settings)

        async with Host(plugin, settings={"url": "a"}) as host:
            self.assertEqual(plugin.settings, {"url": "a", "port": 80})
            self.assertEqual(await host.configure({"url": "b"}, dry_run=True), {})
            refused = await host.configure({"url": ""})
            self.assertEqual(refused["errors"][0], {"path": "url", "message": "must be given"})
            refused = await host.configure({"url": "deny"})
            self.assertEqual(refused["errors"], [{"path": "", "message": "no access"}])
            self.assertEqual(plugin.settings, {"url": "a", "port": 80})
            self.assertEqual(await host.configure({"url": "c"}), {})
        self.assertEqual(told, [{"url": "a", "port": 80}, {"url": "c", "port": 80}])

    async def test_values_are_validated_and_tests_are_run(self):
        plugin = Plugin()

        @plugin.validate("destination", "foo")
        def room(value):
            if value["room"] == "none":
                raise Invalid("room", "there is no such room")
            return {"room": value["room"].strip()}

        @plugin.test("foo")
        async def try_it(settings, options):
            raise Rejected(f"{settings['room']} {options['text']}")

        plugin.destination("bar")(lambda delivery: Delivered(delivery.message.kind))
        async with Host(plugin) as host:
            say = {"what": "destination", "kind": "foo"}
            self.assertEqual(await host.ask("validate", **say, value={"room": " a "}), {"value": {"room": "a"}})
            refused = await host.ask("validate", **say, value={"room": "none"})
            self.assertEqual(refused, {"errors": [{"path": "room", "message": "there is no such room"}]})
            self.assertEqual(await host.ask("validate", what="user", value=7), {"value": 7})
            outcome = await host.ask("test", kind="foo", settings={"room": "a"}, options={"text": "b"})
            self.assertEqual(outcome, {"outcome": "rejected", "reason": "a b"})
            outcome = await host.ask("test", kind="bar", settings={})
            self.assertEqual(outcome, {"outcome": "delivered", "receipt": "test"})

    async def test_routes(self):
        plugin = Plugin()

        @plugin.route("/item/<id>", methods=["GET"])
        async def item(request):
            return {"id": request.arguments["id"], "accept": request.headers["Accept"]}

        @plugin.route("/item/<id>", methods=["PUT", "POST"])
        def put(request):
            return 201, request.body

        @plugin.route("/bytes")
        def raw(request):
            return Response(b"\xff", 418, {"Content-Type": "x/y"})

        plugin.route("/none")(lambda request: None)

        @plugin.on_start
        def more():
            plugin.route("/later", auth="none")(lambda request: "text")
            plugin.route("/none", methods=["PUT"])(lambda request: "put")
            plugin.route("/none", methods=["POST"], auth="none")(lambda request: "post")

        async with Host(plugin) as host:
            self.assertEqual(
                host.provides["routes"][-3:],
                [
                    {"path": "/none", "methods": ["PUT"], "auth": "token"},
                    {"path": "/none", "methods": ["POST"], "auth": "none"},
                    {"path": "/later", "methods": ["GET"], "auth": "none"},
                ],
            )
            answer = await host.request("/item/<id>", arguments={"id": "7"}, headers=[["accept", "*/*"]])
            self.assertEqual(answer["body"], '{"id": "7", "accept": "*/*"}')
            self.assertEqual(answer["headers"], {"content-type": "application/json"})
            answer = await host.request("/item/<id>", "PUT", body="ü")
            self.assertEqual((answer["status"], answer["body"]), (201, "ü"))
            answer = await host.request("/bytes")
            self.assertEqual((answer["status"], answer["body_base64"]), (418, "/w=="))
            self.assertEqual((await host.request("/none"))["status"], 204)
            self.assertEqual((await host.request("/none", "DELETE"))["status"], 405)
            self.assertEqual((await host.request("/later"))["body"], "text")

    async def test_events_checks_and_health(self):
        plugin, seen = Plugin(), []

        @plugin.subscription("archive", ["incident.*"])
        def archive(events):
            seen.extend((event.topic, event.data["id"]) for event in events)
            if seen[-1][1] == "bad":
                raise ValueError("full")

        @plugin.check("disk")
        def disk(settings):
            if settings.get("broken"):
                raise OSError("no disk")
            return Check("warning", "80 %", {"disk": "a"}) if settings else None

        async with Host(plugin) as host:
            await host.events("archive", {"topic": "incident.opened", "data": {"id": "1"}})
            logging.disable(logging.CRITICAL)
            self.addCleanup(logging.disable, logging.NOTSET)
            with self.assertRaisesRegex(RpcError, "ValueError: full"):
                await host.events("archive", {"topic": "incident.opened", "data": {"id": "bad"}})
            self.assertEqual(seen[0], ("incident.opened", "1"))
            check = {"kind": "disk", "deadline_ms": 1000}
            said = await host.ask("check", **check, settings={"a": 1})
            self.assertEqual(said, {"status": "warning", "detail": "80 %", "labels": {"disk": "a"}})
            self.assertEqual((await host.ask("check", **check, settings={}))["status"], "passing")
            said = await host.ask("check", **check, settings={"broken": 1})
            self.assertEqual((said["status"], said["detail"]), ("failing", "OSError: no disk"))
            self.assertEqual((await host.ask("health"))["status"], "ok")
            plugin.host.status("degraded", "slow")
            self.assertEqual(await host.ask("health"), {"status": "degraded", "detail": "slow"})
            self.assertEqual(host.statuses, [{"status": "degraded", "detail": "slow"}])
            plugin.health(lambda: "ill")
            self.assertEqual(await host.ask("health"), {"status": "degraded", "detail": "ill"})

    async def test_from_start_to_stop(self):
        plugin, story = Plugin(), []
        begun, ended = threading.Event(), threading.Event()

        @plugin.on_start
        async def start():
            story.append("start")

        @plugin.background
        async def loop():
            story.append("work")
            try:
                await asyncio.Event().wait()
            finally:
                story.append("work ends")

        @plugin.background
        def thread():
            begun.set()
            plugin.stopping.wait(30)
            ended.set()

        plugin.on_stop(lambda: story.append("last"))

        @plugin.on_stop
        def bad():
            story.append("first")
            raise ValueError("does not keep the others")

        gate = asyncio.Event()

        @plugin.destination("foo")
        async def deliver(delivery):
            await gate.wait()

        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)
        async with Host(plugin) as host:
            await host.until(lambda: "work" in story and begun.is_set())
            delivered = asyncio.ensure_future(host.deliver("foo"))
            await asyncio.sleep(0)
            drained = asyncio.ensure_future(host.ask("drain"))
            await host.ask("health")
            with self.assertRaisesRegex(RpcError, "stopping"):
                await host.deliver("foo")
            self.assertFalse(drained.done())
            gate.set()
            self.assertEqual((await delivered)["outcome"], "delivered")
            self.assertEqual(await drained, {})
        await host.until(ended.is_set)
        self.assertEqual(story, ["start", "work", "work ends", "first", "last"])

    async def test_background_work_that_fails_begins_anew(self):
        from nightbell_plugin import serve

        plugin, runs = Plugin(), []
        self.addCleanup(setattr, serve, "FIRST_REST", serve.FIRST_REST)
        serve.FIRST_REST = 0.001
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)

        @plugin.background
        async def work():
            runs.append(1)
            if len(runs) < 3:
                raise OSError("no connection")

        async with Host(plugin) as host:
            await host.until(lambda: len(runs) == 3)
            self.assertEqual(host.statuses[0]["detail"].rpartition(">.")[2], "work: OSError: no connection")
            self.assertEqual((await host.ask("health"))["status"], "ok")


if __name__ == "__main__":
    unittest.main()
