#!/usr/bin/env python3
"""Records what Alertmanager answers to the requests in exchanges.json, and writes it there.

To record again, run `./record.py` here, with Debian's `prometheus-alertmanager` on the PATH: it is started on a free
port of this machine with alertmanager.yml, and stopped again.

Times of today become "[now]", ids of silences "[uuid]". `{silence}` is the last id that was made. Of the headers, those
are kept that clients go by.
"""

import datetime
import http.client
import json
import pathlib
import re
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).parent
FILE = HERE / "exchanges.json"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
HEADERS = ["content-type", "access-control-allow-origin", "access-control-allow-methods", "allow"]


def main():
    with socket.socket() as free, tempfile.TemporaryDirectory() as data:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        flags = [f"--config.file={HERE / 'alertmanager.yml'}", f"--storage.path={data}", "--cluster.listen-address="]
        words = ["prometheus-alertmanager", *flags, f"--web.listen-address={address}"]
        process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        try:
            record(f"http://{address}")
        finally:
            process.terminate()
            process.wait()


def record(base):
    for _ in range(100):
        try:
            urllib.request.urlopen(base + "/-/ready")
            break
        except urllib.error.URLError:
            time.sleep(0.1)
    exchanges = json.loads(FILE.read_text())
    now = datetime.datetime.now(datetime.timezone.utc)
    silence = ""
    for it in exchanges:
        status, headers, text = ask(base, it, silence)
        found = re.search(r'"silenceID":"([^"]+)"', text)
        silence = found.group(1) if found else silence
        is_json = headers.get("content-type", "").startswith("application/json") or text.startswith('"')
        answer = json.loads(text) if is_json and text.strip() else text.strip() or None
        it["status"], it["answer"], it["headers"] = status, tidy(answer, now), headers
    FILE.write_text(json.dumps(exchanges, indent=1, ensure_ascii=False) + "\n")


def ask(base, it, silence):
    body = it.get("body")
    if body is not None:
        body = body if isinstance(body, str) else json.dumps(body)
        body = body.replace("{silence}", silence).encode()
    path = it["path"].replace("{silence}", silence)
    request = urllib.request.Request(base + path, data=body, method=it["method"])
    request.add_header("Content-Type", it.get("content_type", "application/json"))
    for name, value in it.get("request_headers", {}).items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request) as response:
            status, all_headers, text = response.status, response.headers, response.read().decode()
    except http.client.RemoteDisconnected:
        # it panicked
        return 0, {}, ""
    except urllib.error.HTTPError as error:
        status, all_headers, text = error.code, error.headers, error.read().decode()
    return status, {name: all_headers[name] for name in HEADERS if name in all_headers}, text


def tidy(value, now):
    if isinstance(value, dict):
        return {name: tidy(it, now) for name, it in value.items()}
    if isinstance(value, list):
        return [tidy(it, now) for it in value]
    if isinstance(value, str):
        value = re.sub(now.strftime("%Y-%m-%d") + r"T[0-9:.]+Z", "[now]", value)
        return UUID.sub("[uuid]", value) if not value.startswith("00000000") else value
    return value


if __name__ == "__main__":
    main()
