"""Every call of Argus' client against a hub, by its two faces: words are the address of the API and a token."""

import asyncio
import sys
from datetime import datetime, timedelta, timezone

from pyargus.async_client import AsyncClient
from pyargus.client import Client
from pyargus.models import STATELESS, Event, Incident
from pyargus.time import LOCAL_INFINITY
from simple_rest_client.exceptions import AuthError, ClientError, NotFoundError

NOW = datetime.now(timezone.utc).replace(microsecond=0)


class Waiting:
    """The asynchronous client as if it were the other one, so that one story tells of both."""

    def __init__(self, client, loop):
        self.client, self.loop = client, loop

    def __getattr__(self, name):
        member = getattr(self.client, name)

        def call(*args, **kwargs):
            found = member(*args, **kwargs)
            if hasattr(found, "__aiter__"):
                return iter(self.loop.run_until_complete(self._all(found)))
            return self.loop.run_until_complete(found)

        return call

    @staticmethod
    async def _all(found):
        return [it async for it in found]

    def low(self, resource, name, *args, **kwargs):
        return self.loop.run_until_complete(getattr(getattr(self.client.api, resource), name)(*args, **kwargs))


class Plain:
    """The synchronous client."""

    def __init__(self, client):
        self.client = client

    def __getattr__(self, name):
        return getattr(self.client, name)

    def low(self, resource, name, *args, **kwargs):
        return getattr(getattr(self.client.api, resource), name)(*args, **kwargs)


def refused(kind, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except kind as error:
        return error.response
    raise AssertionError(f"{call} was not refused")


def new(name, **more):
    tags = {"host": "a", "team": "db"}
    return Incident(start_time=NOW, description=f"story {name}", source_incident_id=name, tags=tags, **more)


def story(client, face):
    # posted, got, listed
    posted = client.post_incident(new(f"{face}-1", level=2, end_time=LOCAL_INFINITY, details_url="/case/1",
                                      metadata={"port": 7}))
    assert posted.pk and posted.open and posted.stateful and not posted.acked, posted
    assert posted.end_time == LOCAL_INFINITY and posted.start_time == NOW, posted
    assert posted.source.name == "zino" and posted.source.type == "zino", posted.source
    assert posted.details_url == "https://zino.example.org/case/1", posted.details_url
    assert sorted(posted.tags.allitems()) == [("host", "a"), ("team", "db")], posted.tags
    assert client.get_incident(posted.pk) == posted
    assert [it.pk for it in client.get_incidents(source_incident_id=f"{face}-1")] == [posted.pk]
    assert posted.pk in [it.pk for it in client.get_my_incidents(open=True, acked=False)]
    again = refused(ClientError, client.post_incident, new(f"{face}-1"))
    assert again.status_code == 400 and "source_incident_id" in again.body, again.body

    # more than a page, which it follows
    for n in range(3):
        client.post_incident(new(f"{face}-page-{n}"))
    paged = list(client.get_my_incidents(page_size=2, tags="host=a,team=db"))
    assert len({it.pk for it in paged}) == len(paged) >= 4, paged

    # stateless
    stateless = client.post_incident(new(f"{face}-2", end_time=STATELESS))
    assert stateless.end_time is STATELESS and not stateless.stateful and not stateless.open, stateless
    assert [it.type for it in client.get_incident_events(stateless)] == ["LES"]

    # changed; it sends all that it knows
    posted.level, posted.description = 1, "worse"
    posted.ticket_url = "https://tickets.example.org/1"
    changed = client.update_incident(posted)
    assert (changed.level, changed.description, changed.ticket_url) == (1, "worse", posted.ticket_url), changed
    assert sorted(changed.tags.allitems()) == [("host", "a"), ("team", "db")], changed.tags
    ticket = client.low("incidents", "set_ticket_url", posted.pk, body={"ticket_url": "https://t/2"})
    assert ticket.body == {"ticket_url": "https://t/2"}, ticket.body

    # events
    said = client.post_incident_event(posted, Event(type="OTH", timestamp=NOW, description="note"))
    assert (said.type, said.description, said.actor, said.incident) == ("OTH", "note", "zino", posted.pk), said
    ended = client.resolve_incident(posted, description="gone")
    assert ended.type == "END" and not client.get_incident(posted.pk).open, ended
    back = client.restart_incident(posted.pk, timestamp=NOW + timedelta(seconds=1))
    assert back.type == "RES" and client.get_incident(posted.pk).open, back
    types = [it.type for it in reversed(client.get_incident_events(posted))]
    assert types[0] == "STA" and types[-3:] == ["OTH", "END", "RES"] and "CHI" in types, types
    one = client.low("events", "retrieve", posted.pk, said.pk)
    assert (one.body["pk"], one.body["type"]["value"]) == (said.pk, "OTH"), one.body

    # acknowledgements
    assert client.get_incident_acknowledgements(posted) == []
    until = (NOW + timedelta(hours=1)).isoformat()
    made = client.low("acknowledgements", "create", posted.pk,
                      body={"timestamp": NOW.isoformat(), "description": "mine", "expiration": until})
    assert made.status_code == 201, made.body
    acks = client.get_incident_acknowledgements(posted.pk)
    assert [(it.event.type, it.event.description) for it in acks] == [("ACK", "mine")], acks
    assert acks[0].expiration == NOW + timedelta(hours=1), acks
    assert client.low("acknowledgements", "retrieve", posted.pk, acks[0].pk).body["pk"] == acks[0].pk
    assert client.get_incident(posted.pk).acked

    # signs of life
    assert client.supports_heartbeat() is True
    client.send_heartbeat()

    # this client reads another key than servers send
    try:
        client.refresh_token()
    except KeyError as missing:
        assert missing.args == ("expiration",), missing
    else:
        raise AssertionError("this client has learned what servers send: look at the story again")

    # there are no such paths since version 2
    for name in ("list_open", "list_open_unacked"):
        assert refused(NotFoundError, client.low, "incidents", name).status_code == 404


def main(root, token):
    story(Plain(Client(root, token, timeout=20.0)), "sync")
    loop = asyncio.new_event_loop()
    story(Waiting(AsyncClient(root, token, timeout=20.0), loop), "async")
    loop.close()
    stranger = Client(root, "nb_nobody", timeout=20.0)
    assert refused(AuthError, stranger.get_incident, 1).status_code == 401
    refused(AuthError, stranger.supports_heartbeat)
    print("every call did what it should")


main(*sys.argv[1:])
