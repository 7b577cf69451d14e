// What a page reports by @sentry/browser: errors of each kind, or with `times` in its address so many, one after the
// other. Where to is in the address, too; when all of it is sent, the page says so.
import * as Sentry from "@sentry/browser";

import { pay } from "./pay";

const asked = new URLSearchParams(location.search);
const times = Number(asked.get("times") ?? 0);
const tunnel = asked.get("tunnel") ?? undefined;
Sentry.init({
  dsn: asked.get("dsn")!,
  tunnel,
  release: "shop@2.0",
  environment: "production",
  // where requests are counted, nothing but errors is sent
  sendClientReports: times === 0,
  integrations: (all) => all.filter((one) => times === 0 || one.name !== "BrowserSession"),
});

class PaymentError extends Error {
  name = "PaymentError";
}

function checkout(id: number): void {
  try {
    pay({ id });
  } catch (error) {
    throw new PaymentError(`order ${id} cannot be paid`, { cause: error });
  }
}

function descend(depth: number): void {
  if (depth === 0) {
    throw new RangeError("the ground is reached");
  }
  descend(depth - 1);
}

async function report(story: () => void): Promise<void> {
  try {
    story();
  } catch (error) {
    Sentry.captureException(error);
    await Sentry.flush(10_000);
  }
}

async function main(): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    await report(() => descend(3));
  }
  if (times === 0) {
    Sentry.setUser({ id: "7" });
    Sentry.setTag("shop", "berlin");
    Sentry.addBreadcrumb({ message: "cart opened", category: "shop" });
    await report(() => checkout(17));
    await report(() => descend(10));
    Sentry.captureMessage("a plain message", "warning");
    await Sentry.flush(10_000);
  }
  document.body.textContent = "all is sent";
}

void main();
