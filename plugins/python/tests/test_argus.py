"""Media of Argus, run as they are: all generations of their contract, and a published one."""

import asyncio
import json
import os
import re
import unittest

from nightbell_plugin.testing import alert, message
from nightbell_plugin.wire import RpcError

from .django_side import Case, Mail, Web, needs, needs_django
from .documents import document

# written from what the document says of a medium: a class that inherits from NotificationMedium, a static
# `send(event, destinations, **kwargs)`, and settings of a destination that say where to send
FROM_THE_DOCUMENT = """
import json, os
from urllib.request import Request, urlopen
from argus.notificationprofile.media.base import NotificationMedium

class Pager(NotificationMedium):
    MEDIA_SLUG = "pager"
    MEDIA_NAME = "Pager"
    MEDIA_SETTINGS_KEY = "number"
    MEDIA_JSON_SCHEMA = {
        "$id": "http://localhost/jsonschema/pager",
        "title": "Pager",
        "type": "object",
        "required": ["number"],
        "properties": {"number": {"type": "string", "title": "Number"}},
    }

    @staticmethod
    def send(event, destinations, **kwargs):
        for destination in destinations:
            body = {"to": destination.settings["number"], "label": destination.label, "text": str(event)}
            urlopen(Request(os.environ["PAGER"], json.dumps(body).encode(), {"Content-Type": "application/json"}))
"""

GENERATIONS = """
import json, os
from django import forms
from django.core.exceptions import ValidationError
from rest_framework.exceptions import ValidationError as RestError
from argus.notificationprofile.media.base import NotificationMedium, CommonDestinationConfigForm

def tell(*what):
    with open(os.environ["RECORD"], "a") as file:
        file.write(json.dumps(what) + "\\n")
    return True

class Form(forms.Form):
    room = forms.CharField(max_length=10)
    token = forms.CharField(required=False)
    def clean_room(self):
        return self.cleaned_data["room"].lower()

class Base(NotificationMedium):
    MEDIA_SETTINGS_KEY = "room"
    Form = Form

class Profile(Base):
    MEDIA_SLUG = "g15"
    MEDIA_NAME = "1.5"
    @staticmethod
    def send(event, profile, **kwargs):
        mine = profile.destinations.filter(media__slug="g15")
        return tell("1.5", profile.user.email, [d.settings["room"] for d in mine])

class Seventeen(Base):
    MEDIA_SLUG = "g17"
    MEDIA_NAME = "1.7"
    @staticmethod
    def send(event, profile, **kwargs):
        return tell("1.7", profile.user.email)
    @classmethod
    def validate(cls, instance, dict):
        form = cls.Form(dict["settings"])
        if not form.is_valid():
            raise RestError(form.errors)
        return form.cleaned_data
    @classmethod
    def is_deletable(cls, destination):
        return destination.settings["room"] != "desk"

class Nineteen(Base):
    MEDIA_SLUG = "g19"
    MEDIA_NAME = "1.9"
    @staticmethod
    def send(event, destinations, **kwargs):
        return tell("1.9", [d.pk == destinations.first().pk for d in destinations.filter(media_id="g19")])
    @classmethod
    def validate(cls, instance, dict, user):
        form = cls.Form(dict["settings"])
        if not form.is_valid():
            raise RestError(form.errors)
        if cls.has_duplicate(instance.context["request"].user.destinations, form.cleaned_data):
            raise RestError({cls.MEDIA_SETTINGS_KEY: "already there"})
        return form.cleaned_data
    @staticmethod
    def has_duplicate(queryset, settings):
        return queryset.filter(settings__room=settings["room"]).exists()

class Fourteen(Base):
    MEDIA_SLUG = "g14"
    MEDIA_NAME = "1.14"
    @classmethod
    def send(cls, event, destinations, **kwargs):
        return tell("1.14", sorted(cls.get_relevant_addresses(destinations)), cls.get_label(destinations[0]))

class Ten(Base):
    MEDIA_SLUG = "g210"
    MEDIA_NAME = "2.10"
    def __init__(self, version="v2"):
        super().__init__(version)
        self.own = version
    def send(self, event, destinations, **kwargs):
        mine = self.get_relevant_destinations(destinations)
        return tell("2.10", self.own, [self.get_relevant_address(d) for d in mine])
    @classmethod
    def validate(cls, data, user, instance=None):
        form = super().validate(data, user, instance)
        if form.cleaned_data["settings"]["room"] == "attic":
            raise ValidationError({"room": "nobody is in the attic"})
        return form
    @classmethod
    def raise_if_not_deletable(cls, destination):
        if destination.settings["room"] == "desk":
            raise cls.NotDeletableError("somebody sits there")

class Says(Base):
    MEDIA_SLUG = "says"
    MEDIA_NAME = "Says"
    @classmethod
    def send(cls, event, destinations, **kwargs):
        incident = event.incident
        columns = [name for name in vars(incident) if name != "_state"]
        tell(event.type, event.get_type_display(), str(event), event.actor.username, incident.level, incident.open,
             incident.stateful, str(incident.source), [str(tag) for tag in incident.tags], incident.pp_details_url(),
             columns, incident.description, hasattr(event, "ack"), "_state" in vars(incident))
        return destinations[0].settings["room"] == "yes"
"""

WORKFLOW = (
    "https://prod-1.westeurope.logic.azure.com:443/workflows/0123456789abcdef0123456789abcdef/triggers/manual"
    "/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=abcdefghijk-0123456789"
)


@needs_django
class Media(Case):
    compat = "argus"

    def setUp(self):
        super().setUp()
        self.record = os.path.join(self.folder, "record")

    def host(self, module, env=None, **more):
        return super().host(module, {"RECORD": self.record, **(env or {})}, **more)

    def told(self):
        with open(self.record, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    async def test_a_medium_written_from_the_document(self):
        text = document("argus-notification-destinations.md")
        for promised in (
            "argus.notificationprofile.media.base.NotificationMedium",
            "send(event, destinations, **kwargs)",
        ):
            self.assertIn(promised, text)
        self.write("pager.py", FROM_THE_DOCUMENT)
        async with Web() as web:
            async with self.host("pager.Pager", {"PAGER": web.url + "/page"}) as host:
                kind = host.provides["destinations"][0]
                self.assertEqual((kind["kind"], kind["title"]), ("argus-pager", "Pager"))
                properties = {"number": {"type": "string", "title": "Number"}}
                label = {"type": "string", "title": "Label", "maxLength": 150}
                self.assertEqual(kind["settings"]["properties"], {**properties, "label": label})
                self.assertEqual(kind["settings"]["required"], ["number"])
                outcome = await host.deliver("argus-pager", {"number": "17"}, title="Disk is full")
                self.assertEqual(outcome["outcome"], "delivered", (outcome, host.errors))
                at = "2026-01-31 12:00:01+00:00"
                body = {
                    "to": "17",
                    "label": "17",
                    "text": f"'Incident start': Disk is full, nightbell @ {at}",
                }
                self.assertEqual(json.loads(web.seen[0]["body"]), body)
                web.status = 503
                outcome = await host.deliver("argus-pager", {"number": "17"})
                self.assertEqual((outcome["outcome"], outcome["status"]), ("retry", 503))
                web.status = 400
                outcome = await host.deliver("argus-pager", {"number": "17"})
                self.assertEqual((outcome["outcome"], outcome["status"]), ("rejected", 400))

    async def test_all_generations_send_and_look_at_settings(self):
        self.write("own/__init__.py", "")
        self.write("own/media.py", GENERATIONS)
        async with self.host("own.media") as host:
            kinds = [kind["kind"] for kind in host.provides["destinations"]]
            wanted = ["argus-g15", "argus-g17", "argus-g19", "argus-g14", "argus-g210", "argus-says"]
            self.assertEqual(kinds, wanted)
            schema = host.provides["destinations"][0]["settings"]
            self.assertEqual(
                (schema["required"], schema["properties"]["token"]["x-secret"]), (["room"], True)
            )
            for kind in kinds:
                said = await host.ask(
                    "validate", what="destination", kind=kind, value={"room": "Desk", "label": "L"}
                )
                self.assertEqual(said, {"value": {"room": "desk", "label": "L"}}, kind)
                said = await host.ask(
                    "validate", what="destination", kind=kind, value={"room": "much too long"}
                )
                self.assertEqual([error["path"] for error in said["errors"]], ["room"], kind)
            # those since 1.9 look at what their owner has already
            desk = {"what": "destination", "value": {"room": "Desk"}, "others": [{"room": "hall"}, {"room": "desk"}]}
            for kind in ("argus-g19", "argus-g210"):
                said = await host.ask("validate", kind=kind, **desk)
                self.assertEqual([error["path"] for error in said["errors"]], ["room"], (kind, said))
                self.assertIn("already", said["errors"][0]["message"])
                said = await host.ask("validate", kind=kind, **{**desk, "others": [{"room": "hall"}]})
                self.assertEqual(said, {"value": {"room": "desk"}}, kind)
            for kind, why in (("argus-g17", "1.7 does not let it go"), ("argus-g210", "somebody sits there")):
                asked = {"what": "removal", "kind": kind}
                said = await host.ask("validate", **asked, value={"room": "desk"})
                self.assertEqual(said, {"errors": [{"path": "", "message": why}]})
                said = await host.ask("validate", **asked, value={"room": "hall"})
                self.assertEqual(said, {"value": {"room": "hall"}})
            said = await host.ask("validate", what="destination", kind="argus-g210", value={"room": "Attic"})
            self.assertEqual(said, {"errors": [{"path": "room", "message": "nobody is in the attic"}]})
            for kind in kinds[:-1]:
                people = [{"name": "jo", "email": "jo@x.example"}]
                outcome = await host.deliver(kind, {"room": "desk"}, recipients=people)
                self.assertEqual(outcome["outcome"], "delivered", (kind, outcome, host.logs))
        expected = [
            ["1.5", "jo@x.example", ["desk"]],
            ["1.7", "jo@x.example"],
            ["1.9", [True]],
            ["1.14", ["desk"], "desk"],
            ["2.10", "v2", ["desk"]],
        ]
        self.assertEqual(self.told(), expected)

    async def test_what_a_medium_is_told(self):
        self.write("own.py", GENERATIONS)
        labels = {"alertname": "DiskFull", "site": "oslo"}
        disk = alert("Disk", severity="critical", labels=labels, annotations={"summary": "98 %"})
        mine = {**disk, "state": "acknowledged", "acknowledged_by": "ann"}
        over = {**disk, "state": "resolved", "ends_at": "2026-01-31T13:00:00Z"}
        async with self.host("own:Says") as host:
            for what in (
                message(alerts=[disk]),
                message(kind="acknowledged", alerts=[mine]),
                message(kind="resolved", alerts=[over]),
                message("2 alerts", kind="repeated", alerts=[disk, alert("CPU", severity="notice")]),
                message("Test", kind="test", alerts=[], severity="info"),
            ):
                outcome = await host.deliver("argus-says", {"room": "yes"}, what=what)
                self.assertEqual(outcome["outcome"], "delivered", (outcome, host.logs))
            outcome = await host.deliver("argus-says", {"room": "no"})
            self.assertEqual(outcome["outcome"], "retry")
        start, ack, end, several, test, _ = self.told()
        at = "2026-01-31 12:00:01+00:00"
        self.assertEqual(
            start[:3], ["STA", "Incident start", f"'Incident start': Disk: 98 %, nightbell @ {at}"]
        )
        tags = ["alertname=DiskFull", "site=oslo"]
        url = "http://bell.example/incidents/0a1b2c3d4e5f6"
        self.assertEqual(start[3:10], ["nightbell", 1, True, True, "nightbell (nightbell)", tags, url])
        columns = (
            "id start_time end_time source_id source_incident_id details_url description level ticket_url"
        )
        self.assertEqual(start[10], [*columns.split(), "search_text", "metadata"])
        self.assertEqual(start[11:], ["Disk: 98 %", False, True])
        self.assertEqual((ack[0], ack[3], ack[12]), ("ACK", "ann", True))
        self.assertEqual((end[0], end[5]), ("END", False))
        self.assertEqual((several[0], several[4], several[11]), ("OTH", 1, "2 alerts"))
        self.assertEqual((test[4], test[8], test[11]), (5, [], "Test"))

    async def test_the_media_that_came_with_argus(self):
        list_ = "argus.notificationprofile.media.email.EmailNotification,"
        list_ += "argus.notificationprofile.media.sms_as_email.SMSNotification"
        async with Mail() as mail:
            settings = {
                "EMAIL_HOST": "127.0.0.1",
                "EMAIL_PORT": mail.port,
                "DEFAULT_FROM_EMAIL": "argus@x.example",
            }
            settings["SMS_GATEWAY_ADDRESS"] = "sms@x.example"
            async with self.host(list_, settings=settings) as host:
                self.assertEqual(
                    [kind["kind"] for kind in host.provides["destinations"]], ["argus-email", "argus-sms"]
                )
                value = {"phone_number": "+47 22 22 22 22"}
                said = await host.ask("validate", what="destination", kind="argus-sms", value=value)
                self.assertEqual(said, {"value": {"phone_number": "+4722222222"}})
                said = await host.ask(
                    "validate", what="destination", kind="argus-email", value={"email_address": "x"}
                )
                self.assertEqual(said["errors"][0]["path"], "email_address")
                outcome = await host.deliver("argus-email", {"email_address": "jo@x.example"})
                self.assertEqual(outcome["outcome"], "delivered", (outcome, host.logs))
                await host.deliver("argus-sms", {"phone_number": "+4722222222"})
                await host.configure(
                    {**settings, "SMS_GATEWAY_MODE": "recipient", "NOTIFICATION_SUBJECT_PREFIX": ""}
                )
                await host.deliver("argus-sms", {"phone_number": "+4722222222"})
        subject = "[Argus] 'Incident start': Disk is full, nightbell @ 2026-01-31 12:00:01+00:00"
        letter, by_subject, by_address = mail.seen
        self.assertEqual((letter["to"], letter["subject"]), (["jo@x.example"], subject))
        self.assertIn("level: 2\n", letter["text"])
        self.assertIn("end_time: Still open\n", letter["text"])
        self.assertEqual((by_subject["to"], by_subject["subject"]), (["sms@x.example"], "sms +4722222222"))
        self.assertEqual(by_address["to"], ["sms+4722222222@x.example"])

    async def test_mails_of_a_medium_without_a_server_are_handed_to_the_hub(self):
        self.write(
            "own.py",
            """
            from django.core.mail import EmailMultiAlternatives, send_mail
            from argus.notificationprofile.media.base import NotificationMedium

            class Letters(NotificationMedium):
                MEDIA_SLUG = "letters"
                MEDIA_NAME = "Letters"
                MEDIA_SETTINGS_KEY = "to"
                MEDIA_JSON_SCHEMA = {"type": "object", "properties": {"to": {"type": "string"}}}

                @classmethod
                def send(cls, event, destinations, **kwargs):
                    for address in sorted(cls.get_relevant_addresses(destinations)):
                        letter = EmailMultiAlternatives("two\\nlines", "plain", None, [address])
                        letter.reply_to = ["re@x.example"]
                        letter.attach_alternative("<p>{{ html }}</p>", "text/html")
                        if address.startswith("files"):
                            letter.attach("a.txt", b"x", "text/plain")
                        letter.send()
                    return True
            """,
        )
        list_ = "own.Letters,argus.notificationprofile.media.email.EmailNotification"
        async with self.host(list_, offers=["mail"]) as host:
            deliver = lambda id="d1", to="jo@x.example": host.deliver("argus-letters", {"to": to}, id=id)
            outcome = await deliver()
            self.assertEqual(outcome["outcome"], "delivered", (outcome, host.logs))
            whole = {"to": ["jo@x.example"], "subject": "two lines", "text": "plain", "html": "<p>{{ html }}</p>"}
            key = "d1/jo@x.example/two lines"
            self.assertEqual(host.mails, [{**whole, "reply_to": "re@x.example", "key": key}])
            outcome = await host.deliver("argus-email", {"email_address": "ann@x.example"})
            self.assertEqual(outcome["outcome"], "delivered", (outcome, host.logs))
            self.assertEqual(host.mails[1]["to"], ["ann@x.example"])
            # what came of the mail is what came of the delivery
            for said, wanted in (
                ({"outcome": "retry", "reason": "busy", "after_ms": 1500}, ("retry", "busy", 1500)),
                ({"outcome": "rejected", "reason": "nobody"}, ("rejected", "nobody", None)),
            ):
                host.answers["mail"] = lambda params, said=said: said
                outcome = await deliver()
                self.assertEqual(
                    (outcome["outcome"], outcome["reason"], outcome.get("after_ms")), wanted, outcome
                )
            for code, wanted in ((-32003, "rejected"), (-32004, "rejected"), (-32005, "retry")):

                def refuse(params, code=code):
                    raise RpcError(code, "no account")

                host.answers["mail"] = refuse
                outcome = await deliver()
                self.assertEqual(outcome["outcome"], wanted, outcome)
            outcome = await deliver(to="files@x.example")
            self.assertEqual(outcome["outcome"], "rejected")
            self.assertIn("attachments", outcome["reason"])
        async with self.host("own.Letters") as host:
            outcome = await host.deliver("argus-letters", {"to": "jo@x.example"})
            self.assertEqual(outcome["outcome"], "rejected")
            self.assertIn("permissions.mail", outcome["reason"])

    async def test_what_cannot_work_is_told(self):
        self.write("own.py", "class A:\n    pass\n")
        for module, words in (
            ("nothere.Pager", "there is no package nothere"),
            ("own.A", "has no A that is a NotificationMedium"),
            ("own.B", "has no B that is"),
            ("own;x", "not the name of a class"),
        ):
            host = self.host(module, begin=False)
            async with host:
                self.assertEqual(await host.ended(), 78, module)
            self.assertIn(words, host.errors.decode())


@needs("argus_notification_msteams", "apprise")
class Published(Case):
    compat = "argus"

    async def test_the_medium_for_teams_sends(self):
        async with Web() as web:
            env = {"NIGHTBELL_TEST_LISTENER": web.url}
            async with self.host("argus_notification_msteams.MSTeamsNotification", env) as host:
                kind = host.provides["destinations"][0]
                self.assertEqual((kind["kind"], kind["title"]), ("argus-msteams", "MS Teams"))
                self.assertEqual(kind["settings"]["properties"]["webhook"]["x-secret"], True)
                value = {"webhook": WORKFLOW, "label": "Ops"}
                said = await host.ask("validate", what="destination", kind="argus-msteams", value=value)
                self.assertEqual(said, {"value": value})
                said = await host.ask(
                    "validate", what="destination", kind="argus-msteams", value={"webhook": "x"}
                )
                self.assertEqual([error["path"] for error in said["errors"]], ["webhook"])
                outcome = await host.deliver("argus-msteams", value)
                self.assertEqual(outcome["outcome"], "delivered", (outcome, host.logs))
                card = json.loads(web.seen[0]["body"])["attachments"][0]["content"]
                text = "\n".join(part.get("text", "") for part in card["body"])
                for words in (
                    "[Argus] 'Incident start': Disk is full, nightbell @ 2026-01-31",
                    "**level** 2",
                ):
                    self.assertIn(words, text)
                self.assertNotIn("_state", text)
                mine = alert(state="acknowledged", acknowledged_by="ann")
                outcome = await host.deliver(
                    "argus-msteams", value, what=message(kind="acknowledged", alerts=[mine])
                )
                self.assertEqual(outcome["outcome"], "delivered", (outcome, host.logs))
                self.assertIn("'Acknowledge': Disk is full, ann @", web.seen[1]["body"])
                over = alert(state="resolved", ends_at="2026-01-31T13:00:00Z")
                outcome = await host.deliver("argus-msteams", value, what=message(kind="resolved", alerts=[over]))
                self.assertEqual(outcome["outcome"], "delivered", (outcome, host.logs))
                steps = zip(("firing", "acknowledged", "resolved"), web.seen)
                self.golden("argus-plugins.json", {step: json.loads(one["body"]) for step, one in steps})
                # it says that it has sent what it has not; its log knows better
                outcome = await host.deliver("argus-msteams", {"webhook": "https://teams.example/x"})
                self.assertEqual((outcome["outcome"], len(web.seen)), ("retry", 3))
                self.assertIn("Could not send", outcome["reason"])


@needs("apprise")
class Apprise(Case):
    compat = "argus"

    async def test_media_that_send_through_it(self):
        text = """
        from argus.notificationprofile.media.base import AppriseMedium
        class Json(AppriseMedium):
            MEDIA_SLUG = "json"
            MEDIA_NAME = "Json"
        """
        self.write("own.py", text)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        async with Web() as web, self.host("own.Json") as host:
            took = loop.time() - begin
            with open(f"/proc/{host.process.pid}/status", encoding="ascii") as file:
                kib = int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])
            print(f"\nArgus with Django and Apprise: ready after {took * 1000:.0f} ms, {kib / 1024:.0f} MiB")
            settings = {"destination_url": f"json://127.0.0.1:{web.port}/x"}
            outcome = await host.deliver("argus-json", settings)
            self.assertEqual(outcome["outcome"], "delivered", (outcome, host.logs))
            sent = json.loads(web.seen[0]["body"])
            self.assertTrue(sent["title"].startswith("[Argus] 'Incident start': Disk is full"), sent)
            outcome = await host.deliver("argus-json", {"destination_url": "nothing"})
            self.assertEqual(outcome["outcome"], "rejected", outcome)
            web.status = 500
            outcome = await host.deliver("argus-json", settings)
            self.assertEqual(outcome["outcome"], "retry", outcome)


if __name__ == "__main__":
    unittest.main()
