"""Raises an error of each kind and reports it by raven or sentry_sdk.

With a number behind, as many errors one after the other, each sent before the next one is raised.
"""
import asyncio
import os
import sys


class PaymentError(Exception):
    pass


def price(order):
    large = "x" * 1_000_000
    return 100 / order["quantity"]


def pay(order):
    try:
        return price(order)
    except ZeroDivisionError as error:
        raise PaymentError("order %s cannot be paid" % order["id"]) from error


async def deliver(order):
    await asyncio.sleep(0)
    return price(order)


def descend(depth):
    if depth == 0:
        raise RecursionError("the ground is reached")
    return descend(depth - 1)


def by_raven():
    import raven
    from raven.transport.http import HTTPTransport

    client = raven.Client(os.environ["DSN"], transport=HTTPTransport, release="shop@2.0", environment="production")
    client.user_context({"id": "7"})
    client.tags_context({"shop": "berlin"})
    client.extra_context({"large": "x" * 1_000_000})
    raven.breadcrumbs.record(message="cart opened", category="shop", data={"items": 2})
    return client.captureException, lambda text: client.captureMessage(text, level=30), lambda: None


def by_sentry_sdk(times):
    import sentry_sdk

    # where requests are counted, nothing but errors is sent
    sentry_sdk.init(
        dsn=os.environ["DSN"], release="shop@2.0", environment="production", send_client_reports=times == 0
    )
    sentry_sdk.set_user({"id": "7"})
    sentry_sdk.set_tag("shop", "berlin")
    sentry_sdk.set_extra("large", "x" * 1_000_000)
    sentry_sdk.add_breadcrumb(message="cart opened", category="shop", data={"items": 2})
    say = lambda text: sentry_sdk.capture_message(text, level="warning")
    return sentry_sdk.capture_exception, say, lambda: sentry_sdk.flush(10)


def main():
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    capture, say, flush = by_raven() if sys.argv[1] == "raven" else by_sentry_sdk(times)
    order = {"id": 17, "quantity": 0}
    stories = [lambda: pay(order), lambda: asyncio.run(deliver(order)), lambda: descend(10), lambda: descend(12)]
    # raven knows an error by its address in memory, which one that is let go of leaves to the next
    raised = []
    for story in [lambda: descend(3)] * times or stories:
        try:
            story()
        except Exception as error:
            raised.append(error)
            capture()
            flush()
    if not times:
        say("a plain message")
        flush()


main()
