"""A guest that misbehaves on request. It knows no SDK, only the contract: it is also the proof that its page is enough.

What it does wrong stands in its arguments, or in the title of the message that it is to deliver.
"""
import json
import os
import signal
import socket
import subprocess
import sys
import time

WISHES = set(sys.argv[1:])
held = []  # what leaks


def write(text):
    sys.stdout.write(text)
    sys.stdout.flush()


def answer(id, result=None, error=None):
    message = {"jsonrpc": "2.0", "id": id}
    message.update({"error": error} if error else {"result": result})
    write(json.dumps(message) + "\n")


def ask(method, params, id="g1"):
    """Asks the host, and waits for its answer; what comes in between is put off."""
    write(json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params}) + "\n")
    while True:
        line = sys.stdin.readline()
        if not line:
            sys.exit(0)
        message = json.loads(line)
        if message.get("id") == id and "method" not in message:
            return message
        later.append(message)


later = []


def crash_at(place):
    if "crash-at-" + place in WISHES:
        print("I crash at " + place, file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if "exit-78-at-" + place in WISHES:
        print("only you can mend this", file=sys.stderr, flush=True)
        sys.exit(78)
    if "hang-at-" + place in WISHES:
        time.sleep(3600)


def attempt(what):
    """Does something that is forbidden, and says what came of it."""
    try:
        return "did it: %r" % (what(),)
    except BaseException as error:
        return "refused: %s" % type(error).__name__


def deliver(id, delivery):
    title = delivery["message"]["title"]
    word, _, rest = title.partition(" ")
    mine = {"id": delivery["id"], "outcome": "delivered", "receipt": "ok " + title}
    if word == "hang":
        return None
    if word == "slow":
        time.sleep(float(rest))
    if word == "block":
        time.sleep(3600)
    if word == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "garbage":
        write("hello, I am no message\n")
    if word == "half":
        write('{"jsonrpc": "2.0", "id"')
        sys.stdout.flush()
        os._exit(3)
    if word == "endless":
        for _ in range(1024):
            write("x" * 1024 * 1024)
    if word == "close":
        os.close(1)
        time.sleep(3600)
    if word == "flood":
        for n in range(20000):
            print("line %d" % n, file=sys.stderr)
    if word == "leak":
        while True:
            held.append(bytearray(16 * 1024 * 1024))
    if word == "share":
        import mmap
        while True:
            held.append(mmap.mmap(-1, 16 * 1024 * 1024))
            held[-1].write(b"x" * len(held[-1]))
    if word == "zero":
        mine["receipt"] = attempt(lambda: os.close(os.open("/dev/zero", os.O_RDWR)))
    if word == "unmapped":
        mine["receipt"] = attempt(lambda: os.close(os.memfd_create("x")))
    if word == "fork":
        child = subprocess.Popen(["sleep", "3600"])
        mine["receipt"] = str(child.pid)
    if word == "twice":
        answer(id, {"outcomes": [dict(mine, outcome="rejected", reason="the first answer counts")]})
    if word == "stranger":
        answer("nobody asked", {"outcomes": []})
        answer(987654, {"outcomes": []})
        return [dict(mine, id="another", outcome="rejected"), mine]
    if word == "silent":
        return []
    if word == "read":
        mine["receipt"] = attempt(lambda: open(rest).read())
    if word == "write":
        mine["receipt"] = attempt(lambda: open(rest, "w").write("mine"))
    if word == "connect":
        mine["receipt"] = attempt(lambda: socket.create_connection(("127.0.0.1", int(rest)), 5).close())
    if word == "trace":
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        mine["receipt"] = "refused" if libc.ptrace(0, 0, 0, 0) < 0 and ctypes.get_errno() == 1 else "did it"
    if word == "signal":
        mine["receipt"] = attempt(lambda: os.kill(os.getppid(), 0))
    if word == "session":
        mine["receipt"] = attempt(os.setsid)
    if word == "nice":
        mine["receipt"] = str(os.nice(0))
    if word == "priority":
        mine["receipt"] = attempt(lambda: os.setpriority(os.PRIO_PROCESS, 0, int(rest)))
    if word == "realtime":
        mine["receipt"] = attempt(lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)))
    if word == "socket":
        mine["receipt"] = attempt(lambda: socket.socket(socket.AF_UNIX).close())
    if word == "env":
        mine["receipt"] = repr(sorted(os.environ))
    if word == "secret":
        mine["text"] = "my token is " + str(settings.get("token")) + " and " + str(delivery["settings"].get("key"))
        print("token=" + str(settings.get("token")), file=sys.stderr, flush=True)
        print("key=" + str(delivery["settings"].get("key")), file=sys.stderr, flush=True)
    if word == "settings":
        mine["receipt"] = json.dumps(settings, sort_keys=True)
    if word == "odd":
        mine["status"] = "200"
    if word == "requests":
        for n in range(int(rest)):
            request = {"jsonrpc": "2.0", "id": "x" * 100 + str(n), "method": "incident.get", "params": {}}
            write(json.dumps(request) + "\n")
    if word == "pace":
        mine.update(outcome="retry", fault="pace", after_ms=1500, reason="less, please")
    if word == "reject":
        mine.update(outcome="rejected", reason="I do not want it")
    if word == "ask":
        method, _, params = rest.partition(" ")
        got = ask(method, json.loads(params or "{}"))
        mine["receipt"] = json.dumps(got.get("result", got.get("error")), sort_keys=True)
    return [mine]


settings = {}


def serve(message):
    global settings
    method, id, params = message.get("method"), message.get("id"), message.get("params") or {}
    if id is None:
        return
    if method is None:
        return
    if method == "hello":
        crash_at("hello")
        protocol = 7 if "from-the-future" in WISHES else 1
        provides = {"destinations": [{"kind": "stress", "title": "Stress", "settings": {
            "type": "object", "properties": {"key": {"type": "string", "x-secret": True}}}, "new-word": 1}]}
        if "two-minds" in WISHES:
            provides["destinations"][0]["title"] = "Something else"
        if "open-and-not" in WISHES:
            provides["routes"] = [{"path": "/x", "methods": ["POST"], "auth": who} for who in ("none", "token")]
        answer(id, {"protocol": protocol, "sdk": "none", "features": ["telepathy"], "provides": provides, "more": 1})
    elif method == "configure":
        crash_at("configure")
        url = params["settings"].get("url")
        if url == "bad":
            return answer(id, {"errors": [{"path": "url", "message": "there is nobody at that address"}]})
        if not params["dry_run"]:
            settings = params["settings"]
        answer(id, {})
    elif method == "start":
        crash_at("start")
        answer(id, {"routes": [{"path": "/teapot", "methods": ["GET"], "auth": "none"}]})
    elif method == "deliver":
        for delivery in params["deliveries"]:
            outcomes = deliver(id, delivery)
            if outcomes is not None:
                answer(id, {"outcomes": outcomes})
    elif method == "request":
        answer(id, {"status": 418, "headers": {"x-tea": "yes"}, "body": "I am a teapot"})
    elif method == "health":
        answer(id, {"status": "ok"})
    elif method in ("drain", "shutdown"):
        crash_at(method)
        if method == "shutdown" and "slow-end" in WISHES:
            time.sleep(1)
        answer(id, {})
    else:
        answer(id, error={"code": -32601, "message": "no such method"})


if "ignore-signals" in WISHES:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
crash_at("spawn")
while True:
    if later:
        serve(later.pop(0))
        continue
    line = sys.stdin.readline()
    if not line:
        if "ignore-signals" in WISHES:
            time.sleep(3600)
        break
    serve(json.loads(line))
