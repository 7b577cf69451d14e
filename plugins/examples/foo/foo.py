"""Foo, the chat of Kapacitor's guide to event handlers, as a plugin."""
import json
import urllib.error
import urllib.request

from nightbell_plugin import Delivered, Plugin, Rejected, Retry

plugin = Plugin()


@plugin.destination("foo")
def tell(delivery):
    return post(delivery.settings.get("room"), delivery.message.title)


@plugin.test("foo")
def test(settings, options):
    return post(options.get("room") or settings.get("room"), options["message"])


def post(room, message):
    body = json.dumps({"room": room or plugin.settings["room"], "message": message}).encode()
    request = urllib.request.Request(plugin.settings["url"], body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10):
            return Delivered()
    except urllib.error.HTTPError as error:
        # what it does not understand now it will not understand later
        if error.code in (408, 429) or error.code >= 500:
            return Retry(f"Foo answered {error.code}")
        return Rejected(f"Foo answered {error.code}")
