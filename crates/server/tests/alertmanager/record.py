#!/usr/bin/env python3
"""Records what Alertmanager answers to the requests in exchanges.json, and writes it there.

    prometheus-alertmanager --config.file=alertmanager.yml --storage.path=$(mktemp -d) \\
        --web.listen-address=127.0.0.1:19093 --cluster.listen-address=
    ./record.py http://127.0.0.1:19093

Times of today become "[now]", ids of silences "[uuid]". `{silence}` in a path is the last id that was made.
"""

import datetime
import json
import pathlib
import re
import sys
import urllib.error
import urllib.request

FILE = pathlib.Path(__file__).with_name("exchanges.json")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def main(base):
    exchanges = json.loads(FILE.read_text())
    now = datetime.datetime.now(datetime.timezone.utc)
    silence = ""
    for it in exchanges:
        path = it["path"].replace("{silence}", silence)
        body = it.get("body")
        if body is not None:
            body = (body if isinstance(body, str) else json.dumps(body)).encode()
        request = urllib.request.Request(base + path, data=body, method=it["method"])
        request.add_header("Content-Type", it.get("content_type", "application/json"))
        try:
            with urllib.request.urlopen(request) as response:
                status, text = response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        found = re.search(r'"silenceID":"([^"]+)"', text)
        silence = found.group(1) if found else silence
        answer = json.loads(text) if text.strip() else None
        it["status"], it["answer"] = status, tidy(answer, now)
    FILE.write_text(json.dumps(exchanges, indent=1, ensure_ascii=False) + "\n")


def tidy(value, now):
    if isinstance(value, dict):
        return {name: tidy(it, now) for name, it in value.items()}
    if isinstance(value, list):
        return [tidy(it, now) for it in value]
    if isinstance(value, str):
        value = re.sub(now.strftime("%Y-%m-%d") + r"T[0-9:.]+Z", "[now]", value)
        return UUID.sub("[uuid]", value) if not value.startswith("00000000") else value
    return value


main(sys.argv[1])
