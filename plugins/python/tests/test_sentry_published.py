"""What the published plugins of Sentry send, compared with golden messages.

`NIGHTBELL_TEST_SENTRY_PYTHON` names a Python in whose environment `stand-ins/sentry`, `boto3` and
`sentry-plugins==9.1.2` are installed (the latter with `--no-deps`); `NIGHTBELL_TEST_GOLDEN=write` writes the golden
messages anew.
"""

import json
import os
import tempfile
import unittest
from urllib.parse import parse_qs

from nightbell_plugin.testing import Host, alert, message, runner

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "golden", "sentry-plugins.json")
PYTHON = os.environ.get("NIGHTBELL_TEST_SENTRY_PYTHON")
SETTINGS = {
    "slack": {"webhook": "http://hooks.example/x", "include_tags": True, "include_rules": True, "channel": "#ops"},
    "pagerduty": {"service_key": "K1", "routes": "environment,production,K2"},
    "pushover": {"userkey": "u", "apikey": "a", "priority": "1"},
    "victorops": {"api_key": "v"},
    "splunk": {"instance": "http://splunk.example", "index": "main", "token": "t"},
    "segment": {"write_key": "w"},
    "amazon-sqs": {
        "queue_url": "https://sqs.eu-central-1.amazonaws.com/12345678/errors",
        "region": "eu-central-1",
        "access_key": "AKIA0",
        "secret_key": "s",
    },
}
# published with a choice of what Amazon has, which grows
GROWS = ("amazon-sqs", "region", "oneOf")
# every request is written down in place of being sent
RECORDER = """
import io, json, os
import requests
from requests.adapters import HTTPAdapter
def send(self, request, **_):
    body = request.body.decode() if isinstance(request.body, bytes) else request.body
    with open(os.environ["RECORD"], "a") as file:
        file.write(json.dumps([request.method, request.url, request.headers.get("Content-Type"), body]) + "\\n")
    response = requests.Response()
    response.status_code, response.request, response.url = 200, request, request.url
    response.raw = io.BytesIO(b'{"status": "success", "result": "success"}')
    return response
HTTPAdapter.send = send

from botocore.awsrequest import AWSResponse
from botocore.httpsession import URLLib3Session
def sign(self, request):
    body = request.body.decode() if isinstance(request.body, bytes) else request.body
    with open(os.environ["RECORD"], "a") as file:
        file.write(json.dumps([request.method, request.url, "application/json", body]) + "\\n")
    response = AWSResponse(request.url, 200, {}, None)
    response._content = b'{"MessageId": "m-1"}'
    return response
URLLib3Session.send = sign
"""


def read(body, kind):
    """A body as what is in it."""
    if kind == "application/json":
        said = json.loads(body)
        if "MessageBody" in said:
            said["MessageBody"] = json.loads(said["MessageBody"])
        return said
    fields = {name: values[0] for name, values in parse_qs(body).items()}
    if "payload" in fields:
        fields["payload"] = json.loads(fields["payload"])
    return fields


@unittest.skipUnless(PYTHON, "NIGHTBELL_TEST_SENTRY_PYTHON names no Python that has the published plugins")
class Published(unittest.IsolatedAsyncioTestCase):
    maxDiff = None

    async def test_they_send_what_they_sent(self):
        labels = {"alertname": "DiskFull", "job": "db", "instance": "db1", "environment": "production"}
        labels["release"] = "1.2"
        notes = {"description": "98 % of /var is used"}
        what = message(alerts=[alert("Plätze: disk is full", labels=labels, annotations=notes)])
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "sitecustomize.py"), "w", encoding="utf-8") as file:
                file.write(RECORDER)
            record = os.path.join(folder, "record")
            path = os.pathsep.join([os.path.dirname(HERE), folder])
            command = [PYTHON, *runner("--compat", "sentry")[1:]]
            async with Host(command=command, env={"RECORD": record, "PYTHONPATH": path, "TZ": "UTC"}) as host:
                for number, (kind, settings) in enumerate(SETTINGS.items()):
                    said = await host.ask("validate", what="destination", kind=kind, value=settings)
                    self.assertEqual(said, {"value": settings})
                    outcome = await host.deliver(kind, settings, what=what, id=f"d{number}")
                    self.assertEqual(outcome["outcome"], "delivered", (kind, outcome))
                # what is acknowledged or over is none of theirs: nothing is sent, and that is right
                for kind, settings in SETTINGS.items():
                    for step in ("acknowledged", "resolved"):
                        over = message(kind=step, alerts=[alert(state=step, labels=labels)])
                        outcome = await host.deliver(kind, settings, what=over, id=f"{kind} {step}")
                        self.assertEqual(outcome["outcome"], "skipped", (kind, step, outcome))
                        self.assertIn(f"not told when something is {step}", outcome["reason"])
                schemas = {kind["kind"]: kind["settings"] for kind in host.provides["destinations"]}
            with open(record, encoding="utf-8") as file:
                lines = [json.loads(line) for line in file]
        left_out = [line for line in host.errors.decode().splitlines() if "makes tickets" in line]
        self.assertGreaterEqual(len(left_out), 8)
        kind, option, word = GROWS
        regions = [each["const"] for each in schemas[kind]["properties"][option].pop(word)]
        self.assertIn("eu-central-1", regions)
        requests = [{"method": m, "url": url, "body": read(body, kind)} for m, url, kind, body in lines]
        seen = {"requests": requests, "schemas": {kind: schemas[kind] for kind in SETTINGS}}
        if os.environ.get("NIGHTBELL_TEST_GOLDEN") == "write":
            with open(GOLDEN, "w", encoding="utf-8") as file:
                json.dump(seen, file, indent=1, ensure_ascii=False)
                file.write("\n")
        with open(GOLDEN, encoding="utf-8") as file:
            self.assertEqual(seen, json.load(file))


if __name__ == "__main__":
    unittest.main()
