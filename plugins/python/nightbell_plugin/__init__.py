"""Plugins for Nightbell in Python: a `Plugin`, functions in it, and `python -m nightbell_plugin` to run it."""

__version__ = "0.1.0"

import os as _os

if _os.environ.get("NIGHTBELL_PLUGIN"):
    # the host says who we are: then nothing that is printed may reach the wire, not even while modules are loaded
    from .pipes import guard as _guard

    _guard()

from .host import Host, current_delivery
from .outcomes import (
    Check,
    Delivered,
    Invalid,
    Misconfigured,
    Outcome,
    Rejected,
    Response,
    Retry,
    Skipped,
    Ticket,
)
from .plugin import Plugin
from .records import (
    Alert,
    Answer,
    Delivery,
    Event,
    Link,
    Message,
    Notification,
    OfProject,
    Person,
    Request,
    TicketRequest,
)
from .wire import RpcError

__all__ = [
    "Alert",
    "Answer",
    "Check",
    "Delivered",
    "Delivery",
    "Event",
    "Host",
    "Invalid",
    "Link",
    "Message",
    "Misconfigured",
    "Notification",
    "OfProject",
    "Outcome",
    "Person",
    "Plugin",
    "Rejected",
    "Request",
    "Response",
    "Retry",
    "RpcError",
    "Skipped",
    "Ticket",
    "TicketRequest",
    "current_delivery",
]
