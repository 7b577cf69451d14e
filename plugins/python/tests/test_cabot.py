"""Plugins of Cabot, run as they are: the document's classes, published packages, and what plugins may rely
on."""

import asyncio
import json
import os
import re
from urllib.parse import parse_qs, urlencode, urlsplit

from nightbell_plugin.testing import alert, message

from .django_side import Case, Mail, Web, needs, needs_django
from .documents import document, indented

JO = {
    "name": "jo",
    "email": "jo@bell.example",
    "settings": {"slack_alias": "jojo", "phone_number": "+4711", "hipchat_alias": "jj"},
}
ANN = {"name": "ann", "email": "ann@bell.example", "settings": {"phone_number": "4722", "slack_alias": "an"}}
KINDS = ("cabot-slack", "cabot-hipchat", "cabot-email", "cabot-twilio-phone-call", "cabot-twilio-sms")
ENVIRONMENT = {
    "SLACK_ALERT_CHANNEL": "alerts",
    "SLACK_ICON_URL": "http://bell.example/icon.png",
    "SLACK_INTERACTIVE_MESSAGES": "1",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.example/services/T/B/X",
    "HIPCHAT_ALERT_ROOM": "48052",
    "HIPCHAT_API_KEY": "your_hipchat_api_key",
    "TWILIO_ACCOUNT_SID": "AC0123",
    "TWILIO_AUTH_TOKEN": "your_twilio_auth_token",
    "TWILIO_OUTGOING_NUMBER": "+4700",
    "CABOT_FROM_EMAIL": "cabot@bell.example",
}


def step(kind, severity, **more):
    """A message about one database; `more` is about its alert."""
    labels = {"alertname": "DiskFull", "service": "Web & <Farm>"}
    fields = {
        "severity": severity,
        "labels": labels,
        "annotations": {"summary": "98 % of /var is used"},
        **more,
    }
    return message("Disk is full", kind=kind, alerts=[alert("Disk is full", **fields)], severity=severity)


SCENARIO = {
    "it becomes critical": step("firing", "critical"),
    "it is an error": step("firing", "error"),
    "it is an error still": step("repeated", "error"),
    "somebody works on it": step(
        "acknowledged", "error", state="acknowledged", acknowledged_by="jo@bell.example"
    ),
    "it is over": step("resolved", "error", state="resolved"),
    "it is a warning": step("firing", "warning"),
}


@needs_django
class Document(Case):
    compat = "cabot"

    async def test_the_documents_classes_run_as_they_are(self):
        text = document("cabot-alert-plugin.md")
        user_data = indented(text[text.index("### AlertPluginUserData") :], "from django.db", "favorite_bone")
        plugin = indented(text, "class SkeletonAlert(AlertPlugin)", "return")
        imports = indented(
            text[: text.index("These two classes")], "from cabot.cabotapp", "from cabot.cabotapp"
        )
        self.write("cabot_alert_skeleton/__init__.py", "")
        self.write("cabot_alert_skeleton/models.py", f"{imports}\n{user_data}\n{plugin}")
        async with self.host("cabot_alert_skeleton==0.1") as host:
            kind = host.provides["destinations"][0]
            self.assertEqual((kind["kind"], kind["title"]), ("cabot-skeleton", "Skeleton"))
            self.assertIn("Jack Skellington", kind["about"])
            bone = {"type": "string", "maxLength": 50, "title": "Favorite bone"}
            self.assertEqual(host.provides["user"]["properties"]["favorite_bone"], bone)
            users = [{"name": "sally", "settings": {"favorite_bone": "femur"}}]
            outcome = await host.deliver("cabot-skeleton", {"users": users}, title="Disk is full")
            self.assertEqual(outcome["outcome"], "delivered")
            outcome = await host.deliver("cabot-skeleton", {}, what=SCENARIO["somebody works on it"])
            self.assertEqual(outcome["outcome"], "skipped")

    async def test_however_many_are_told_at_once_each_finds_its_own_in_the_database(self):
        self.write(
            "looks.py",
            """
            from cabot.cabotapp.alert import AlertPlugin
            from cabot.cabotapp.models import Service

            class Looks(AlertPlugin):
                name = "Looks"

                def send_alert(self, service, users, duty_officers):
                    row = Service.objects.get(pk=service.pk)
                    there = sorted(row.status_checks.values_list("name", flat=True))
                    if (row.name, there) != (service.name, sorted(check.name for check in service.status_checks.all())):
                        raise ValueError(f"{row.name} has {there}")
            """,
        )
        async with self.host("looks") as host:
            for number in range(1, 4):
                messages = []
                for group in (n // 2 for n in range(64)):
                    labels = {"service": f"service {group}"}
                    alerts = [alert(f"{n} of {number}", incident=f"{group}-{n}", labels=labels) for n in range(number)]
                    what = message("x", alerts=alerts)
                    what["notification"]["group_key"] = f"group {group}"
                    messages.append(what)
                told = await asyncio.gather(
                    *(host.deliver("cabot-looks", {}, what=what, id=f"{n}") for n, what in enumerate(messages))
                )
                self.assertEqual([one for one in told if one["outcome"] != "delivered"], [])


@needs(
    "cabot_alert_slack",
    "cabot_alert_hipchat",
    "cabot_alert_email",
    "cabot_alert_twilio",
    "requests",
    "twilio",
)
class Published(Case):
    compat = "cabot"
    module = "cabot_alert_slack==0.8.3,cabot_alert_hipchat,cabot_alert_email,cabot_alert_twilio"

    async def test_they_send_what_they_sent(self):
        seen = {}
        async with Web() as web, Mail() as mail:
            web.answer = b'{"sid": "SM1"}'
            settings = {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": mail.port}
            env = {**ENVIRONMENT, "NIGHTBELL_TEST_LISTENER": web.url}
            async with self.host(self.module, env, settings=settings) as host:
                for title, what in SCENARIO.items():
                    for kind in KINDS:
                        web.seen.clear()
                        mail.seen.clear()
                        people = {"users": [JO], "duty_officers": [ANN]}
                        outcome = await host.deliver(kind, people, what=what)
                        sent = [*map(readable, web.seen), *mail.seen]
                        seen.setdefault(title, {})[kind] = {"outcome": outcome["outcome"], "sent": sent}
                self.golden("cabot-plugins.json", seen)

    async def test_its_button_acknowledges_and_its_callback_speaks(self):
        async with Web() as web:
            env = {**ENVIRONMENT, "NIGHTBELL_TEST_LISTENER": web.url, "NIGHTBELL_PLUGIN": "cabot"}
            async with self.host(self.module, env) as host:
                people = {"users": [JO], "duty_officers": [ANN]}
                await host.deliver("cabot-slack", people, what=SCENARIO["it becomes critical"])
                sent = json.loads(web.seen[0]["body"])["attachments"][0]
                payload = {
                    "callback_id": sent["callback_id"],
                    "user": {"name": "jojo"},
                    "attachment_id": "1",
                    "original_message": {"attachments": [{"id": 1, "actions": [1]}]},
                }
                said = await host.request(
                    "/cabot_alert_slack/messages",
                    "POST",
                    headers=[["content-type", "application/x-www-form-urlencoded"]],
                    body=urlencode({"payload": json.dumps(payload)}),
                    principal={},
                )
                self.assertEqual(said["status"], 200, (said, host.logs))
                self.assertIn("Acknowledged by @jojo", said["body"])
                self.assertEqual([(act["id"], act["by"]) for act in host.acts], [("0a1b2c3d4e5f6", "jo")])

                await host.deliver("cabot-twilio-phone-call", people, what=SCENARIO["it becomes critical"])
                call = parse_qs(web.seen[1]["body"])["Url"][0]
                self.assertTrue(
                    call.startswith("http://bell.example/plugins/cabot/cabot_alert_twilio/result/"), call
                )
                number = re.search(r"/result/(\d+)/", call)[1]
                route = "/cabot_alert_twilio/result/<service_id>/twiml_callback/"
                said = await host.request(route, arguments={"service_id": number}, principal={})
                self.assertIn("Web &amp;amp; &amp;lt;Farm&amp;gt;", said["body"])
                self.assertIn("application/xml", said["headers"]["Content-Type"])

    async def test_a_failure_that_they_do_not_look_at_is_one(self):
        async with Web() as web:
            env = {**ENVIRONMENT, "NIGHTBELL_TEST_LISTENER": web.url}
            async with self.host(self.module, env) as host:
                for status, expected in (
                    (200, "delivered"),
                    (404, "rejected"),
                    (429, "retry"),
                    (503, "retry"),
                ):
                    web.status = status
                    for kind in ("cabot-slack", "cabot-twilio-sms"):
                        outcome = await host.deliver(kind, {"users": [JO]}, what=SCENARIO["it is an error"])
                        self.assertEqual(outcome["outcome"], expected, (kind, status, outcome))
            outcome = None
            async with self.host(
                self.module, {**env, "NIGHTBELL_TEST_LISTENER": "http://127.0.0.1:1"}
            ) as host:
                outcome = await host.deliver("cabot-slack", {"users": [JO]}, what=SCENARIO["it is an error"])
                self.assertEqual(outcome["outcome"], "retry", outcome)
                outcome = await host.deliver("cabot-email", {"users": [JO]}, what=SCENARIO["it is an error"])
                self.assertEqual(outcome["outcome"], "rejected", outcome)
                self.assertIn("EMAIL_HOST", outcome["reason"])

    async def test_ready_and_small(self):
        loop = asyncio.get_running_loop()
        times = []
        for _ in range(3):
            begin = loop.time()
            async with self.host("cabot_alert_slack", ENVIRONMENT) as host:
                times.append(loop.time() - begin)
                with open(f"/proc/{host.process.pid}/status", encoding="ascii") as file:
                    kib = int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])
        print(
            f"\nCabot with Django and Slack: ready after {sorted(times)[1] * 1000:.0f} ms, {kib / 1024:.0f} MiB"
        )
        self.assertLess(kib, 65 * 1024)


def readable(request):
    """A request with its body as what is in it."""
    body, path = request["body"], request["path"]
    if body.startswith("{"):
        body = json.loads(body)
    elif "form-urlencoded" in request["type"]:
        body = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
    if "message" in body:
        body["message"] = re.sub(r"acknowledged @ \d\d:\d\d", "acknowledged @ HH:MM", body["message"])
    return {
        "method": request["method"],
        "to": "https:/" + urlsplit(path).path,
        "query": urlsplit(path).query,
        "body": body,
    }


RECORDS = """
from django.db import models
from cabot.cabotapp.alert import AlertPlugin, AlertPluginUserData
from cabot.cabotapp.models import Service, StatusCheck, UserProfile
import json, os

def tell(**what):
    with open(os.environ["RECORD"], "a") as file:
        file.write(json.dumps(what) + "\\n")
"""


@needs_django
class Contract(Case):
    compat = "cabot"

    def setUp(self):
        super().setUp()
        self.record = os.path.join(self.folder, "record")

    def told(self):
        with open(self.record, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def package(self, models, name="mine", **files):
        self.write(f"{name}/__init__.py", "")
        self.write(f"{name}/models.py", RECORDS + models)
        for file, text in files.items():
            self.write(f"{name}/{file}.py", text)

    def host(self, module, env=None, **more):
        return super().host(module, {"RECORD": self.record, **(env or {})}, **more)

    async def test_what_a_plugin_may_ask_of_its_service_and_people(self):
        self.package("""
class Data(AlertPluginUserData):
    name = "Mine"
    room = models.CharField(max_length=20)
    loud = models.BooleanField(default=False)
    boss = models.ForeignKey("auth.User", null=True, blank=True)

class Mine(AlertPlugin):
    name = "Mine Now!"
    author = "me"
    def send_alert(self, service, users, duty_officers):
        if AlertPlugin.objects.get(title=self.name).pk != self.pk:
            raise ValueError("not the row of this class")
        stored = Service.objects.get(pk=service.pk)
        tell(
            statuses=[service.old_overall_status, service.overall_status], id=service.id == service.pk,
            stored=[stored.name, stored.overall_status], failing=[c.name for c in
            service.all_failing_checks()],
            count=service.all_failing_checks().count(), passing=[c.name for c in
            service.all_passing_checks()],
            filtered=[c.name for c in
            stored.status_checks.filter(calculated_status="failing").order_by("name")],
            error=[c.last_result().error for c in service.all_failing_checks()],
            importance=[c.get_importance_display() for c in service.status_checks.all()],
            category=service.status_checks.all()[0].check_category, by_id=StatusCheck.objects.get(
                id=service.status_checks.all()[0].id).name,
            users=[u.username for u in users], emails=list(users.values_list("email", flat=True)),
            notify=service.users_to_notify.all().count(), officers=[type(duty_officers).__name__] + [
                u.first_name + " " + u.last_name for u in duty_officers],
            rooms=sorted(d.room for d in Data.objects.filter(user__user__in=users)),
            both=sorted(d.room for d in Data.objects.filter(user__user__in=list(users) + duty_officers)),
            exact=Data.objects.get(user__user=users[0]).user.user.username,
            profile=users[0].profile.mobile_number,
            message=service.get_status_message(include_checks_failing=True),
            ack=service.unexpired_acknowledgement() is not None)
""")
        labels = {"alertname": "DiskFull"}
        alerts = [
            alert("Disk is full", severity="warning", labels=labels, annotations={"description": "98 %"}),
            alert("CPU", severity="critical", labels=labels, state="resolved", incident="2"),
        ]
        users = [
            {"name": "jo", "email": "jo@x.example", "settings": {"room": "attic", "mobile_number": "17"}}
        ]
        async with self.host("mine") as host:
            properties = host.provides["user"]["properties"]
            self.assertEqual(properties["loud"], {"type": "boolean", "title": "Loud", "default": False})
            self.assertEqual(properties["boss"]["type"], "integer")
            delivery = host.delivery(
                "cabot-mine-now", {"users": users}, what=message("Disk is full", alerts=alerts)
            )
            delivery["on_duty"] = [
                {"name": "Ann B. Chan", "email": "a@x.example", "settings": {"room": "cellar"}}
            ]
            for _ in range(2):  # tried again: the same
                outcome = (await host.deliver_all([delivery]))[0]
                self.assertEqual(outcome["outcome"], "delivered", outcome)
            await host.deliver(
                "cabot-mine-now",
                {"users": users, "service": "Db"},
                what=message("Disk is full", "repeated", alerts),
            )
        first, again, repeated = self.told()
        self.assertEqual(first, again)
        expected = {
            "statuses": ["PASSING", "WARNING"],
            "id": True,
            "stored": ["DiskFull", "WARNING"],
            "failing": ["Disk is full"],
            "count": 1,
            "passing": ["CPU"],
            "filtered": ["Disk is full"],
            "error": ["98 %"],
            "importance": ["Warning", "Critical"],
            "category": "Alert",
            "by_id": "Disk is full",
            "users": ["jo"],
            "emails": ["jo@x.example"],
            "notify": 1,
            "officers": ["list", "Ann B. Chan"],
            "rooms": ["attic"],
            "both": ["attic", "cellar"],
            "exact": "jo",
            "profile": "17",
            "message": "Service DiskFull reporting WARNING status. Checks failing: Disk is full",
            "ack": False,
        }
        self.assertEqual(first, expected)
        self.assertEqual((repeated["statuses"], repeated["stored"][0]), (["WARNING", "WARNING"], "Db"))

    async def test_deliveries_side_by_side_see_their_own_people(self):
        self.package("""
class Data(AlertPluginUserData):
    name = "Mine"
    room = models.CharField(max_length=20)

class Mine(AlertPlugin):
    name = "Mine"
    def send_alert(self, service, users, duty_officers):
        tell(service=service.name, rooms=[d.room for d in Data.objects.filter(user__user__in=users)])
""")
        async with self.host("mine") as host:
            deliveries = []
            for number in range(60):
                users = [{"name": "jo", "settings": {"room": f"room {number % 12}"}}]
                settings = {"users": users, "service": f"service {number}"}
                deliveries.append(host.delivery("cabot-mine", settings, title=f"t{number}"))
            outcomes = await asyncio.gather(*(host.deliver_all([one]) for one in deliveries))
            self.assertEqual({one["outcome"] for many in outcomes for one in many}, {"delivered"}, outcomes)
            await host.deliver("cabot-mine", {"service": "nobody"})
        seen = {each["service"]: each["rooms"] for each in self.told()}
        self.assertEqual(seen.pop("nobody"), [])
        self.assertEqual(seen, {f"service {number}": [f"room {number % 12}"] for number in range(60)})

    async def test_python_2_cabot3_and_old_names(self):
        self.write("mine/__init__.py", "")
        self.write(
            "mine/models.py",
            """
from cabot3.cabotapp.alert import AlertPlugin
from cabot.cabotapp.alert import AlertPlugin as Same
from django.core.urlresolvers import reverse
from django.utils.translation import ugettext_lazy as _
from urlparse import urlparse
import urllib, urllib2, os
import helper

class Mine(AlertPlugin):
    name = u"Mine"
    def send_alert(self, service, users, duty_officers):
        try:
            raise ValueError("no")
        except ValueError, error:
            print "failed", error
        assert AlertPlugin is Same and isinstance("x", basestring) and unicode(5) == "5"
        assert urllib.urlencode({"a": 1}) == "a=1" and urllib2.Request and urlparse("http://a/b").netloc == "a"
        open(os.environ["RECORD"], "w").write(repr(reverse("check", kwargs={"pk": 1})) + helper.word)
""",
        )
        self.write("mine/helper.py", "word = unicode('!')")
        async with self.host("mine") as host:
            outcome = await host.deliver("cabot-mine", {})
            self.assertEqual(outcome["outcome"], "delivered", (outcome, host.logs))
        with open(self.record, encoding="utf-8") as file:
            self.assertEqual(file.read(), "'/check/1/'!")

    async def test_the_plain_classes_of_the_later_contract(self):
        self.write("skeleton/__init__.py", "")
        self.write(
            "skeleton/plugin.py",
            """
from django import forms
from cabot.plugins.models import AlertPlugin
import json, os

class Form(forms.Form):
    favorite_bone = forms.CharField(max_length=100)

class Skeleton(AlertPlugin):
    name = "Skeleton"
    slug = "skeleton"
    author = "Jack"
    user_config_form = Form
    def send_alert(self, service, users, duty_officers):
        said = [service.get_status_message(include_checks_failing=True)]
        said += [user.skeleton_settings.favorite_bone for user in users]
        open(os.environ["RECORD"], "w").write(json.dumps(said))
""",
        )
        async with self.host("skeleton") as host:
            self.assertEqual(host.provides["user"]["properties"]["favorite_bone"]["maxLength"], 100)
            users = [{"name": "sally", "settings": {"favorite_bone": "femur"}}]
            outcome = await host.deliver("cabot-skeleton", {"users": users})
            self.assertEqual(outcome["outcome"], "delivered", (outcome, host.logs))
        said = "Service DiskFull reporting ERROR status. Checks failing: Disk is full"
        self.assertEqual(self.told(), [[said, "femur"]])

    async def test_a_plugin_in_one_file_a_restart_and_the_page_that_acknowledges(self):
        self.write(
            "one.py",
            RECORDS + """
class Mine(AlertPlugin):
    name = "Mine"
    def send_alert(self, service, users, duty_officers):
        tell(pk=service.pk, old=service.old_overall_status)
""",
        )
        async with self.host("one") as host:
            await host.deliver("cabot-mine", {})
        pk = str(self.told()[0]["pk"])
        async with self.host("one") as host:
            route = "/service/acknowledge_alert/<pk>/"
            said = await host.request(route, "POST", arguments={"pk": pk}, principal={"name": "jo"})
            self.assertEqual(said["status"], 200, said)
            self.assertEqual(
                [(act["id"], act["verb"], act["by"]) for act in host.acts],
                [("0a1b2c3d4e5f6", "acknowledge", "jo")],
            )
            said = await host.request(route, "POST", arguments={"pk": "17"})
            self.assertEqual(said["status"], 404)
            delivery = host.delivery("cabot-mine", what=message(kind="repeated"))
            await host.deliver_all([{**delivery, "key": "another"}])
        self.assertEqual([each["old"] for each in self.told()], ["PASSING", "ERROR"])

    async def test_where_it_fails_is_told_once(self):
        self.package("""
class Mine(AlertPlugin):
    name = "Mine"
    def send_alert(self, service, users, duty_officers):
        return service.nothing_of_this_name
""")
        async with self.host("mine") as host:
            for _ in range(3):
                outcome = await host.deliver("cabot-mine", {})
                self.assertEqual(outcome["outcome"], "retry")
                self.assertIn("nothing_of_this_name", outcome["reason"])
        texts = [log["message"] for log in host.logs]
        self.assertEqual([("in send_alert" in text) for text in texts], [True, False, False], texts)

    async def test_a_check_plugin(self):
        self.package("""
from cabot.cabotapp.models import StatusCheckResult
class PortCheck(StatusCheck):
    check_name = "port"
    edit_url_name = "update-port-check"
    host = models.TextField(help_text="where")
    port = models.PositiveIntegerField(default=80)
    def _run(self):
        result = StatusCheckResult(status_check=self)
        result.succeeded = self.port == 80
        result.error = u"%s does not listen on %s" % (self.host, self.port)
        return result
""")
        async with self.host("mine") as host:
            kind = host.provides["checks"][0]
            self.assertEqual((kind["kind"], kind["settings"]["required"]), ("cabot-port", ["host"]))
            said = await host.ask("check", kind="cabot-port", settings={"host": "h"}, deadline_ms=5000)
            self.assertEqual(said["status"], "passing", said)
            settings = {"host": "h", "port": 81, "importance": "WARNING"}
            said = await host.ask("check", kind="cabot-port", settings=settings, deadline_ms=5000)
            self.assertEqual((said["status"], said["detail"]), ("warning", "h does not listen on 81"))

    async def test_what_cannot_work_is_told(self):
        self.write("broken/__init__.py", "")
        self.write("broken/models.py", "def f(:\n")
        self.write("empty/__init__.py", "")
        for module, words in (
            ("nothere", "there is no package nothere"),
            ("cabot;alert", "not the name of a Python package"),
            ("broken", "neither Python 3 nor can it be converted"),
            ("empty", "no class that is an AlertPlugin"),
        ):
            host = self.host(module, begin=False)
            async with host:
                self.assertEqual(await host.ended(), 78, module)
            self.assertIn(words, host.errors.decode())
