"""Posts what happens to a URL."""

import json

from componentize_py_types import Err
from wit_world.imports import host

settings = {}


class Guest:
    def hello(self, params):
        plugin = json.loads(params)["plugin"]
        host.log("debug", f"hello, I am {plugin['id']}")
        return json.dumps({"protocol": 1, "sdk": "Python, by hand", "features": []})

    def configure(self, params):
        asked = json.loads(params)
        errors = []
        if len(asked["settings"].get("prefix", "")) > 20:
            errors.append({"path": "prefix", "message": "must have at most 20 characters"})
        if not errors and not asked["dry_run"]:
            settings.update(asked["settings"])
        return json.dumps({"errors": errors})


class Destinations:
    def deliver(self, params):
        deliveries = json.loads(params)["deliveries"]
        return json.dumps({"outcomes": [{"id": it["id"], **post(it)} for it in deliveries]})


def post(delivery):
    if delivery["kind"] != "hook_py":
        return {"outcome": "rejected", "reason": "there is no such kind"}
    request = {
        "method": "POST",
        "url": delivery["settings"]["url"],
        "headers": {"content-type": "application/json", "idempotency-key": delivery["key"]},
        "body": json.dumps({"text": settings.get("prefix", "") + delivery["message"]["title"]}),
    }
    try:
        answer = json.loads(host.ask("fetch", json.dumps(request)))
    except Err as error:
        # what the host says, such as that the manifest does not permit it
        return {"outcome": "retry", "reason": error.value}
    status, text = answer["status"], answer.get("body", "")
    if status < 300:
        return {"outcome": "delivered", "status": status, "text": text}
    return {"outcome": "rejected" if status < 500 else "retry", "reason": f"HTTP {status}", "status": status}
