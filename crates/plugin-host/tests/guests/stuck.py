"""A guest with our package, whose function hangs in its thread when it is told to."""
import sys
import threading

sys.path.insert(0, sys.argv[1])

from nightbell_plugin import Delivered, Plugin  # noqa: E402

plugin = Plugin()


@plugin.destination("stress")
def deliver(delivery):
    if delivery.message.title == "block":
        threading.Event().wait()
    return Delivered("ok " + delivery.message.title)


plugin.run()
