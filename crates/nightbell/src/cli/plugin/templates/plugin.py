"""A plugin for Nightbell. Try it: nightbell plugin test FOLDER --set room=alerts"""
from nightbell_plugin import Plugin, Rejected

plugin = Plugin()


@plugin.destination("@NAME@")
async def tell(delivery):
    """Called for each message. Nothing returned: delivered. An exception: tried again later."""
    room = delivery.settings["room"]
    if not room:
        return Rejected("there is no room")
    plugin.host.log("info", f"to {room}: {delivery.message.title}")
    return None
