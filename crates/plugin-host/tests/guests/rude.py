"""A guest that keeps the contract, but for the one thing that its argument names. It knows no SDK, only the page."""
import json
import os
import signal
import sys
import threading
import time

WISH = (sys.argv[1:] or [""])[0]
cancelled = set()
writing = threading.Lock()


def write(message):
    with writing:
        sys.stdout.write(json.dumps(dict(message, jsonrpc="2.0")) + "\n")
        sys.stdout.flush()


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def schema(**properties):
    return {"type": "object", "required": ["room"] if "room" in properties else [], "properties": properties}


def hello():
    room, text = {"type": "string", "minLength": 3}, {"type": "string"}
    pace = {"type": "integer", "default": "fast" if WISH == "bad-default" else 3}
    return {
        "protocol": 1,
        "features": ["validate", "test", "ticket"],
        "provides": {
            "destinations": [{"kind": "rude", "settings": schema(room=room, pace=pace), "test_options": schema()}],
            "subscriptions": [{"name": "s", "topics": ["incident.*"]}],
            "routes": [{"path": "/item/<id>", "methods": ["GET", "POST"]}],
            "checks": [{"kind": "look", "settings": schema(where=text)}],
            "settings": schema(token=text),
        },
    }


def deliver(params):
    ids = [each["id"] for each in params["deliveries"]]
    if WISH == "dies-of-a-kind" and all(each["kind"] != "rude" for each in params["deliveries"]):
        die()
    if WISH == "silent-of-a-kind":
        return {"outcomes": []}
    if WISH == "lies-of-a-kind":
        return {"outcomes": [{"id": id, "outcome": "delivered"} for id in ids]}
    if WISH == "of-others":
        ids = ids + ["another"]
    if WISH == "dies-of-twins" and len(set(ids)) < len(ids):
        die()
    return {"outcomes": [{"id": id, "outcome": "rejected", "reason": "no such kind"} for id in ids]}


def validate(value):
    if WISH == "breaks-settings":
        return {"value": {"room": 7}}
    if not isinstance(value.get("room"), str):
        return {"errors": [{"path": "room", "message": "is no room"}]}
    return {"value": value}


def answer(method, params):
    if method == "hello":
        return hello()
    if method == "configure":
        if WISH == "dies-of-settings" and params["dry_run"] and "room" not in params["settings"] and params["settings"]:
            die()
        return {}
    if method == "deliver":
        return deliver(params)
    if method == "validate":
        if WISH == "hangs-at-validate":
            time.sleep(3600)
        return validate(params["value"])
    if method == "test":
        return {"outcome": "maybe" if WISH == "odd-test" else "rejected", "reason": "no"}
    if method == "ticket":
        return {"url": "x"} if WISH == "no-ticket" else {"id": "T-1"}
    if method == "check":
        if params["kind"] != "look":
            return {"status": "passing" if WISH == "all-is-well" else "failing"}
        return {"status": "green" if WISH == "odd-check" else "passing"}
    if method == "request":
        return {"status": 42 if WISH == "odd-status" else 204}
    if method in ("start", "events", "health", "drain", "shutdown"):
        return {}
    return None


def serve(message):
    id, method = message.get("id"), message.get("method")
    if id is None or method is None:
        return
    params = message.get("params") or {}
    if WISH == "numbers-only" and not isinstance(id, int):
        return
    if WISH == "drops-cancelled" and method == "deliver":
        time.sleep(0.2)
        if id in cancelled:
            return
    if WISH == "strict" and "a_word_of_tomorrow" in params:
        return write({"id": id, "error": {"code": -32602, "message": "I do not know that word"}})
    result = answer(method, params)
    if result is None:
        return write({"id": id, "error": {"code": -32601, "message": "no such method"}})
    write({"id": id, "result": result})


def read():
    data, skipping = b"", False
    while True:
        chunk = os.read(0, 65536)
        if not chunk:
            if data and WISH == "waits-for-the-rest":
                time.sleep(3600)
            return
        data += chunk
        if WISH == "no-pieces" and b"\n" not in data:
            data = b""
        *lines, data = data.split(b"\n")
        for line in lines:
            if len(line) >= 1 << 20:
                if WISH == "chokes-on-length":
                    time.sleep(3600)
                continue
            take(line)


def take(line):
    try:
        message = json.loads(line)
        if not isinstance(message, dict):
            raise ValueError("no object")
    except ValueError:
        if WISH == "dies-of-garbage":
            die()
        if WISH == "answers-garbage-with-garbage":
            return [print("what?", flush=True) for _ in range(3)]
        return write({"id": None, "error": {"code": -32700, "message": "not JSON"}})
    if message.get("method") == "$/cancel":
        cancelled.add(message["params"].get("id"))
    elif WISH == "drops-cancelled":
        threading.Thread(target=serve, args=(message,), daemon=True).start()
    else:
        serve(message)


read()
