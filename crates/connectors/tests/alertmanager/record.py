#!/usr/bin/env python3
"""Records what Debian's Alertmanager (0.25) sends to the services that it knows.

Run it by hand: `python3 record.py` with prometheus-alertmanager on the PATH. It starts Alertmanager on
loopback with every service pointed at a small listener, posts three times (one alert, two of them, both
resolved) and writes one JSON file a kind: method, path, headers that matter, and body of each request.
"""

import http.server
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
HEADERS = ["content-type", "authorization", "x-amz-date"]
seen = []


class Listener(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        headers = {name: self.headers[name] for name in HEADERS if name in self.headers}
        headers["host"] = self.headers["host"]
        seen.append({"method": self.command, "path": self.path, "headers": headers, "body": body})
        said = b'{"errcode": 0, "errmsg": "ok", "access_token": "the-token", "expires_in": 7200}'
        if self.path == "/sns":
            said = b"<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"
        self.send_response(200)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


def alert(instance, end=None):
    labels = {"alertname": "DiskFull", "instance": instance, "team": "db"}
    annotations = {"summary": "Disk is full", "description": "<b>&\"3 %\"</b> are left"}
    it = {"labels": labels, "annotations": annotations, "startsAt": "2026-11-14T11:59:00.25Z",
          "generatorURL": "https://prometheus.example/graph?g0.expr=disk+%3E+97"}
    if end:
        it["endsAt"] = end
    return it


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    at = f"http://127.0.0.1:{server.server_port}"
    words = "{{ .Status }}: {{ .CommonLabels.alertname }} ({{ len .Alerts }})"
    config = {
        "route": {"receiver": "ops", "group_by": ["alertname"], "group_wait": "1s", "group_interval": "1s"},
        "receivers": [{
            "name": "ops",
            "webex_configs": [{"api_url": f"{at}/webex", "room_id": "the-room", "message": words,
                               "http_config": {"authorization": {"credentials": "the-token"}}}],
            "sns_configs": [{"api_url": f"{at}/sns", "topic_arn": "arn:aws:sns:us-east-2:123456789012:alerts",
                             "subject": "{{ .Status }}", "message": words,
                             "attributes": {"team": "{{ .CommonLabels.team }}", "from": "alerts"},
                             "sigv4": {"region": "us-east-2", "access_key": "AKIDEXAMPLE",
                                       "secret_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}}],
            "wechat_configs": [{"api_url": f"{at}/wechat/", "corp_id": "ww01", "api_secret": "the-secret",
                                "agent_id": "7", "to_party": "{{ .CommonLabels.team }}", "message": words,
                                "send_resolved": True}],
            "webhook_configs": [{"url": f"{at}/webhook"}],
        }],
    }
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "alertmanager.yml").write_text(json.dumps(config))
    program = subprocess.Popen(
        ["prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data",
         "--web.listen-address=127.0.0.1:0", "--cluster.listen-address=", "--web.external-url=http://am.example",
         "--log.level=info"], stderr=subprocess.PIPE, text=True)
    try:
        for line in program.stderr:
            found = re.search(r'msg="?Listening on"? address=(\S+)|Listening.*address=(\S+)', line)
            if found:
                api = f"http://{found.group(1) or found.group(2)}/api/v2/alerts"
                break
        threading.Thread(target=program.stderr.read, daemon=True).start()
        one, two = alert("db1:9100"), alert("db2:9100")
        over = "2026-11-14T12:00:00Z"
        for alerts in [[one], [one, two], [alert("db1:9100", over), alert("db2:9100", over)]]:
            before = len(seen)
            data = json.dumps(alerts).encode()
            request = urllib.request.Request(api, data, {"Content-Type": "application/json"})
            urllib.request.urlopen(request).read()
            deadline = time.monotonic() + 30
            # four kinds; a token for WeChat comes first
            while len(seen) < before + (5 if before == 0 else 4) and time.monotonic() < deadline:
                time.sleep(0.2)
            time.sleep(2)
    finally:
        program.terminate()
        program.wait()
        shutil.rmtree(folder)
    for kind in ["webex", "sns", "wechat", "webhook"]:
        mine = [request for request in seen if request["path"].startswith(f"/{kind}")]
        (HERE / f"{kind}.json").write_text(json.dumps(mine, indent=1, sort_keys=True) + "\n")
        print(kind, len(mine))


main()
