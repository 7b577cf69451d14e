// Raises an error of each kind and reports it by @sentry/node, whose folder SENTRY names. With a number behind, as many
// errors one after the other, each sent before the next one is raised.
const Sentry = require(process.env.SENTRY);

const times = Number(process.argv[2] ?? 0);
Sentry.init({
  dsn: process.env.DSN,
  release: "shop@2.0",
  environment: "production",
  serverName: "web-1",
  // where requests are counted, nothing but errors is sent
  sendClientReports: times === 0,
  integrations: (all) => all.filter((one) => times === 0 || one.name !== "ProcessSession"),
});

class PaymentError extends Error {
  name = "PaymentError";
}
const price = (order) => order.lines.map((line) => line.price);
function checkout(order) {
  return price(order);
}
function pay(order) {
  try {
    return checkout(order);
  } catch (error) {
    throw new PaymentError(`order ${order.id} cannot be paid`, { cause: error });
  }
}
async function deliver(order) {
  await Promise.resolve();
  return price(order);
}
function descend(depth) {
  if (depth === 0) {
    throw new RangeError("the ground is reached");
  }
  return descend(depth - 1);
}
async function report(story) {
  try {
    await story();
  } catch (error) {
    Sentry.captureException(error);
    await Sentry.flush(10_000);
  }
}

async function main() {
  for (let time = 0; time < times; time += 1) {
    await report(() => descend(3));
  }
  if (times > 0) {
    return;
  }
  Sentry.setUser({ id: "7" });
  Sentry.setTag("shop", "berlin");
  Sentry.setExtra("large", "x".repeat(1_000_000));
  Sentry.addBreadcrumb({ message: "cart opened", category: "shop", data: { items: 2 } });
  await report(() => pay({ id: 17 }));
  // one behind the other, the same error would be dropped by the client
  for (const depth of [10, 12]) {
    await report(() => descend(depth));
    await report(() => deliver({ id: depth }));
  }
  Sentry.captureMessage("a plain message", "warning");
  await Sentry.flush(10_000);
}

main().then(() => process.exit(0));
