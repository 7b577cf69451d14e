"""Sentry's plugins, as they are: the document's, and one of each generation."""

import asyncio
import json
import os
import sys
import tempfile
import textwrap
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

from nightbell_plugin.compat.sentry.forms import default_of
from nightbell_plugin.testing import Host, alert, message, runner

from .documents import document, fenced, reserved

DOCUMENT = "sentry-notification-plugin.md"
ENTRY_POINTS = """\
[sentry.apps]
notify_dummy = sentry_notify_dummy
[sentry.plugins]
notify_dummy = sentry_notify_dummy.plugin:NotifyDummyPlugin
"""

OLD = """
    from sentry.plugins import Plugin, register
    class Ancient(Plugin):
        title = 'Ancient Times'
        def post_process(self, group, event, is_new, is_sample, **kwargs):
            print('told %s %s %s' % (group.id, is_new, event.message))
"""
MIDDLE = """
    from django import forms
    from sentry.plugins.bases.notify import NotificationPlugin, NotificationConfigurationForm
    class Options(NotificationConfigurationForm):
        room = forms.CharField(label='Room', max_length=5, help_text='Where',
                               widget=forms.TextInput(attrs={'placeholder': 'x'}))
        token = forms.CharField(widget=forms.PasswordInput(), required=False)
        loud = forms.BooleanField(required=False)
        def clean_room(self):
            if self.cleaned_data['room'] == 'none':
                raise forms.ValidationError('There is no such room')
            return self.cleaned_data['room']
    class Middle(NotificationPlugin):
        title = 'Middle Ages'
        conf_title = 'Middle'
        project_conf_form = Options
        def is_configured(self, project, **kwargs):
            return bool(self.get_option('room', project))
        def notify_users(self, group, event, fail_silently=False):
            print('%s %s %s' % (self.get_conf_key(), self.get_option('room', event.project), self.get_option('room')))
            if event.title == 'limit':
                return
            event.group.first_nothing
"""
EACH = """
    class Each(NotificationPlugin):
        title = 'each'
        project_conf_form = Options
        def is_configured(self, project, **kwargs):
            return bool(self.get_option('room', project))
        def test_configuration(self, project):
            return '%s %s %s' % (project.slug, self.get_option('room', project), project.get_option('each:room'))
        def notify_users(self, group, event, fail_silently=False):
            project = event.project
            print('told %s %s %s' % (project.slug, self.get_option('room', project), self.is_enabled(project)))
"""
LATE = """
    from sentry import http
    from sentry.plugins.bases import notify
    from sentry.utils import json
    from sentry.utils.http import absolute_uri
    class Late(notify.NotificationPlugin):
        slug = title = 'late'
        def get_config(self, project, **kwargs):
            return [
                {'name': 'url', 'label': 'URL', 'type': 'url', 'required': True, 'placeholder': 'http://'},
                {'name': 'key', 'label': 'Key', 'type': 'secret', 'required': False},
                {'name': 'level', 'label': 'Level', 'type': 'choice', 'choices': [('1', 'one'), ('2', 'two')],
                 'default': '1', 'required': True},
            ]
        def is_configured(self, request, project, **kwargs):
            return True
        def notify_users(self, group, event, triggering_rules, fail_silently=False, **kwargs):
            name = event.title.encode('utf-8')
            payload = {'text': name, 'fallback': '[%s]' % name, 'rules': triggering_rules, 'tags': event.get_tags(),
                       'link': absolute_uri('/x/'), 'release': event.get_tag('sentry:release'),
                       'level': group.get_level_display(), 'when': event.datetime.strftime('%Y'),
                       'parts': [part.to_string(event) for part in event.interfaces.values()]}
            return http.safe_urlopen(self.get_option('url', group.project), data={'payload': json.dumps(payload)})
        def notify_about_activity(self, activity):
            print('activity %s %s' % (activity.type, activity.group.is_resolved()))
"""
TICKETS = """
    from sentry.plugins.bases.issue import IssuePlugin
    class Jira(IssuePlugin):
        slug = 'jira'
"""


class Defaults(unittest.TestCase):
    def test_they_are_of_the_type_of_their_option(self):
        for value, kind, expected in [
            ("30", "number", 30),
            (1.5, "number", 1.5),
            ("many", "number", None),
            (float("inf"), "number", None),
            ("yes", "bool", True),
            (0, "select", "0"),
            (lambda: "made", "string", "made"),
            (None, "string", None),
        ]:
            self.assertEqual(default_of(value, kind), expected, value)


class Case(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(text))

    def host(self, *options, **settings):
        return Host(command=runner("--compat", "sentry", "--path", self.folder, *options), **settings)


class TheDocument(Case):
    """The package of "Write Notification Plugin for Sentry"."""

    def setUp(self):
        super().setUp()
        text = document(DOCUMENT)
        plugin = fenced(text, "class NotifyDummyPlugin") + "\n" + fenced(text, "def notify_users")
        self.write("sentry_notify_dummy/__init__.py", "")
        self.write("sentry_notify_dummy/plugin.py", plugin)
        self.write("setup.py", fenced(text, "find_packages"))
        # what `pip install -e` makes of the entry points in setup.py
        metadata = "Metadata-Version: 1.0\nName: sentry-notify-dummy\nVersion: 0.1.0\n"
        self.write("sentry_notify_dummy.egg-info/PKG-INFO", metadata)
        self.write("sentry_notify_dummy.egg-info/entry_points.txt", ENTRY_POINTS)

    async def listen(self):
        received = asyncio.get_running_loop().create_future()

        async def taken(reader, writer):
            received.set_result(await reader.read())
            writer.close()

        server = await asyncio.start_server(taken, sock=reserved(self, DOCUMENT, 9999))
        self.addCleanup(server.close)
        return received

    async def test_its_message_is_seen_on_the_documents_port(self):
        received = await self.listen()
        labels = {"alertname": "ZeroDivisionError", "project": "shop"}
        what = message("x", alerts=[alert("ZeroDivisionError: division by zero", labels=labels)])
        async with self.host() as host:
            kind = next(kind for kind in host.provides["destinations"] if kind["kind"] == "notify-dummy")
            self.assertEqual(kind["title"], "Dummy Notification")
            self.assertEqual(kind["about"], "By Kai Zhang.")
            outcome = await host.deliver("notify-dummy", what=what)
            self.assertEqual(outcome["outcome"], "delivered", host.logs)
            text = (await asyncio.wait_for(received, 10)).decode()
        self.assertEqual(
            text,
            "shop ZeroDivisionError: division by zero (1 times seen). "
            "http://bell.example/incidents/0a1b2c3d4e5f6",
        )

    async def test_a_class_by_its_name_and_nobody_there(self):
        reserved(self, DOCUMENT, 9999)
        async with self.host("--module", "sentry_notify_dummy.plugin:NotifyDummyPlugin") as host:
            outcome = await host.deliver("notify-dummy")
            self.assertEqual((outcome["outcome"], outcome["reason"][:22]), ("retry", "ConnectionRefusedError"))


CRASH = """
    from sentry.plugins.bases.notify import NotificationPlugin
    class Crash(NotificationPlugin):
        slug = title = 'crash'
        def notify_users(self, group, event, **kwargs):
            part = event.interfaces['sentry.interfaces.Exception']
            print(' | '.join([
                event.event_id, event.get_event_type(), event.get_event_metadata()['type'], part.to_string(event),
                group.get_level_display(), str(group.times_seen), str(group.count_users_seen()), group.culprit,
                event.get_tag('sentry:release'), event.data['exception']['values'][0]['value'],
            ]))
"""


class Errors(Case):
    async def test_a_plugin_sees_the_error_that_a_client_reported(self):
        self.write("crash.py", CRASH)
        labels = {"alertname": "KeyError", "project": "shop", "level": "fatal", "release": "1.2"}
        notes = {"event_id": "ab" * 16, "times_seen": "7", "users_seen": "3", "culprit": "shop in pay",
                 "stack": "KeyError: 'id'\n  shop.py:3 in pay", "description": "KeyError: 'id'"}
        what = message("x", alerts=[alert("KeyError: 'id'", labels=labels, annotations=notes)])
        async with self.host("--module", "crash:Crash") as host:
            outcome = await host.deliver("crash", what=what)
            self.assertEqual(outcome["outcome"], "delivered", host.logs)
            await host.until(lambda: b"pay" in host.errors)
            self.assertEqual(
                host.errors.decode().strip().replace("\n", "/"),
                "ab" * 16 + " | error | KeyError | KeyError: 'id'/  shop.py:3 in pay | fatal | 7 | 3 | shop in pay"
                " | 1.2 | 'id'",
            )


class Generations(Case):
    async def test_2012_is_told_by_post_process(self):
        self.write("old.py", OLD)
        async with self.host("--module", "old") as host:
            (kind,) = host.provides["destinations"]
            self.assertEqual(kind["kind"], "ancient-times")
            two = [alert("one"), alert("two", incident="0a1b2c3d4e5f7"), alert("over", state="resolved")]
            self.assertEqual((await host.deliver("ancient-times", what=message(alerts=two)))["outcome"], "delivered")
            await host.until(lambda: host.errors.count(b"\n") == 2)
            number = int(host.errors.split()[1])
            self.assertEqual(
                host.errors.decode().splitlines(), [f"told {number} True one", f"told {number + 1} True two"]
            )

    async def test_2014_has_forms_and_is_told_by_notify_users(self):
        self.write("middle.py", MIDDLE)
        async with self.host("--module", "middle:Middle") as host:
            (kind,) = host.provides["destinations"]
            schema = kind["settings"]
            self.assertEqual(
                schema["properties"]["room"],
                {"title": "Room", "description": "Where", "examples": ["x"], "type": "string"},
            )
            self.assertIs(schema["properties"]["token"]["x-secret"], True)
            self.assertEqual(schema["properties"]["loud"]["type"], "boolean")
            self.assertEqual(schema["else"]["required"], ["room"])
            ask = {"what": "destination", "kind": "middle-ages"}
            said = await host.ask("validate", **ask, value={"room": "a"})
            self.assertEqual(said, {"value": {"room": "a"}})
            said = await host.ask("validate", **ask, value={"per_project": True})
            self.assertEqual(said, {"value": {"per_project": True}})
            for room, words in (("none", "There is no such room"), ("toolong", "at most 5"), ("", "required")):
                said = await host.ask("validate", **ask, value={"room": room})
                self.assertEqual(said["errors"][0]["path"], "room")
                self.assertIn(words, said["errors"][0]["message"])
            outcome = await host.deliver("middle-ages", {"room": "a"})
            self.assertEqual(outcome["outcome"], "rejected")
            self.assertIn("no group.first_nothing", outcome["reason"])
            await host.until(lambda: b"middle a a" in host.errors)
            outcome = await host.deliver("middle-ages", {})
            self.assertIn("not configured", outcome["reason"])

    async def test_each_project_has_options_of_its_own_as_in_sentry(self):
        self.write("middle.py", MIDDLE + EACH)
        shop = alert("shop", labels={"alertname": "Disk", "project": "shop"})
        blog = alert("blog", labels={"alertname": "Disk", "service": "blog"}, incident="0a1b2c3d4e5f7")
        both = message(alerts=[shop, blog])
        async with self.host("--module", "middle") as host:
            form = host.provides["project"]["properties"]["each"]
            self.assertEqual(sorted(form["properties"]), ["enabled", "loud", "room", "token"])
            self.assertNotIn("required", form)
            self.assertIs(form["properties"]["token"]["x-secret"], True)

            # each over what the destination has, and only where it is enabled
            projects = {"shop": {"each": {"room": "b"}}, "blog": {"middle-ages": {"room": "c"}}}
            outcome = await host.deliver("each", {"room": "a"}, what=both, projects=projects)
            self.assertEqual(outcome["outcome"], "delivered", host.logs)
            projects["blog"]["each"] = {"enabled": False}
            outcome = await host.deliver("each", {"room": "a"}, what=both, projects=projects)
            self.assertEqual(outcome["outcome"], "delivered", host.logs)
            # left to the projects: those for which it is not set up are not told of
            del projects["blog"]
            outcome = await host.deliver("each", {"per_project": True}, what=both, projects=projects)
            self.assertEqual(outcome["outcome"], "delivered", host.logs)
            nobodys = message(alerts=[blog])
            outcome = await host.deliver("each", {"per_project": True}, what=nobodys, projects={"blog": {}})
            self.assertEqual((outcome["outcome"], outcome["reason"]), ("skipped", "each is not enabled for blog"))
            await host.until(lambda: host.errors.count(b"told") == 4)
            told = [line for line in host.errors.decode().splitlines() if line.startswith("told")]
            self.assertEqual(told, ["told shop b True", "told blog a True", "told shop b True", "told shop b True"])

            # the form of a project, and a test for it
            ask = {"what": "project", "kind": "", "project": "shop"}
            said = await host.ask("validate", **ask, value={"each": {"room": "none", "enabled": True}})
            self.assertEqual(said["errors"], [{"path": "each.room", "message": "There is no such room"}])
            said = await host.ask("validate", **ask, value={"each": {"enabled": False}})
            self.assertEqual(said, {"value": {"each": {"enabled": False}}})
            projects = [{"name": "shop", "settings": {"each": {"room": "d"}}}]
            said = await host.ask("test", kind="each", settings={"room": "a"}, options={}, projects=projects)
            self.assertEqual(said["text"], "shop d d")

    async def test_too_many_wait_and_are_not_lost(self):
        self.write("middle.py", MIDDLE)
        async with self.host("--module", "middle:Middle") as host:
            settings = {"room": "a"}
            outcomes = [await host.deliver("middle-ages", settings, title="limit") for _ in range(22)]
            names = [outcome["outcome"] for outcome in outcomes]
            # a window may end in between
            self.assertTrue(10 <= names.count("delivered") <= 20)
            limited = outcomes[names.index("retry")]
            self.assertEqual(limited["fault"], "pace")
            self.assertTrue(0 < limited["after_ms"] <= 60_000)
            # what was delivered is not told again when its delivery comes again
            again = host.delivery("middle-ages", settings, title="limit")
            again["key"] = "key-1"
            self.assertEqual((await host.deliver_all([again]))[0]["outcome"], "delivered")

    async def test_2019_posts_and_hears_of_rules_and_activity(self):
        self.write("late.py", LATE)
        bodies, answers = [], [200, 404, 503, 429]

        class Door(BaseHTTPRequestHandler):
            def do_POST(self):
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(answers[len(bodies) - 1])
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"no")

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Door)
        Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        settings = {"url": f"http://127.0.0.1:{server.server_port}/hook", "level": "2"}
        labels = {"alertname": "Disk", "release": "1.2", "job": "db"}
        what = message(alerts=[alert("Plätze", labels=labels, annotations={"description": "all is full"})])
        async with self.host("--module", "late") as host:
            properties = host.provides["destinations"][0]["settings"]["properties"]
            self.assertEqual(
                properties["level"]["oneOf"], [{"const": "1", "title": "one"}, {"const": "2", "title": "two"}]
            )
            outcomes = [await host.deliver("late", settings, what=what) for _ in range(4)]
            over = await host.deliver("late", settings, what=message(kind="resolved", alerts=[alert(state="resolved")]))
            tested = await host.ask("test", kind="late", settings={"url": "ftp://x"}, options={})
        names = [(outcome["outcome"], outcome.get("status"), outcome.get("fault")) for outcome in outcomes]
        self.assertEqual(
            names,
            [("delivered", 200, None), ("rejected", 404, None), ("retry", 503, None), ("retry", 429, "pace")],
        )
        self.assertEqual(outcomes[1]["text"], "no")
        from urllib.parse import parse_qs

        said = json.loads(parse_qs(bodies[0].decode())["payload"][0])
        self.assertEqual(
            said,
            {
                "text": "Plätze",
                "fallback": "[Plätze]",
                "rules": ["0"],
                "tags": [["level", "error"], ["alertname", "Disk"], ["job", "db"], ["release", "1.2"]],
                "link": "http://bell.example/x/",
                "release": "1.2",
                "level": "error",
                "when": "2026",
                "parts": ["all is full"],
            },
        )
        self.assertEqual(over["outcome"], "delivered")
        self.assertIn(b"activity 1 True", host.errors)
        self.assertIn("UrlNotAllowed", tested["reason"])

    async def test_what_does_not_notify_is_refused_in_one_line(self):
        self.write("tickets.py", TICKETS)
        self.write("python2.py", "print 'hello'\n")
        self.write("more.py", "import sentry.search\n")
        for module, words in [
            ("tickets", "sentry plugin 'jira' is left out: it makes tickets"),
            ("python2", "python2 is not written for Python 3"),
            ("more", "No module named 'sentry.search': Nightbell stands in for Sentry without it"),
            ("tickets:Other", "tickets has no Sentry plugin named 'Other'"),
        ]:
            with self.subTest(module=module):
                async with self.host("--module", module, begin=False) as host:
                    self.assertEqual(await host.ended(), 78)
                    self.assertIn(words, host.errors.decode().splitlines()[-1])

    async def test_one_that_fails_does_not_keep_the_others(self):
        self.write("old.py", OLD)
        self.write("two.egg-info/PKG-INFO", "Metadata-Version: 1.0\nName: two\nVersion: 0.1.0\n")
        points = "[sentry.plugins]\nbad = absent:Plugin\ngood = old:Ancient\n"
        self.write("two.egg-info/entry_points.txt", points)
        for options in ([], ["--module", "*"]):
            async with self.host(*options) as host:
                self.assertIn("ancient-times", [kind["kind"] for kind in host.provides["destinations"]])

    async def test_several_modules_are_named_with_commas(self):
        self.write("old.py", OLD)
        self.write("late.py", LATE)
        async with self.host("--module", "old:Ancient, late") as host:
            self.assertEqual([kind["kind"] for kind in host.provides["destinations"]], ["ancient-times", "late"])

    async def test_the_stand_ins_live_in_that_process_only(self):
        self.assertNotIn("sentry", sys.modules)
        with self.assertRaises(ImportError):
            import sentry  # noqa: F401


if __name__ == "__main__":
    unittest.main()
