// A plugin that does one thing of each sort, and prints wherever it can.
import { execFileSync } from "node:child_process";
import fs from "node:fs";

import { Invalid, Misconfigured, Plugin, RpcError, delivered, rejected, retry, skipped } from "../index.js";

console.log("printed while it was loaded");
console.log(`pid ${process.pid}`);
fs.writeSync(1, "written to 1\n");
execFileSync("echo", ["by a child"], { stdio: "inherit" });
if (fs.readFileSync(0).length !== 0) throw new Error("standard input is not empty");

const plugin = new Plugin({ settings: { type: "object", properties: { word: { type: "string" } } } });
if (process.env.MISCONFIGURED) throw new Misconfigured("set a word");

const outcomes = {
  delivered: () => delivered("r-1", { status: 201, text: "x".repeat(5000) }),
  nothing: () => undefined,
  retry: () => retry("down", { after_ms: 1500.4, fault: "pace" }),
  thrown: () => {
    throw skipped("nobody");
  },
  rejected: () => rejected("no such room"),
  fails: () => {
    throw new TypeError("a is not a function\nand more");
  },
  odd: () => 7,
  unspeakable: () => delivered(Object.create(null)),
  more: () => delivered("r-1", { id: "another", body: "x".repeat(1 << 20), outcome: "delivered" }),
  half: () => delivered("\ud800"),
  slow: (_, signal) =>
    new Promise((resolve) => signal.addEventListener("abort", () => resolve(plugin.host.log("info", "aborted")))),
  logs: () => plugin.host.log("warning", "it creaks", { n: 1 }),
  circle: async () => {
    const circle = {};
    circle.circle = circle;
    await plugin.host.kv.set("circle", circle);
  },
};

plugin.destination("one", { title: "One" }, (delivery, signal) => outcomes[delivery.settings.do](delivery, signal));
const inBatch = ({ no, long }) => {
  if (long) return rejected("\x01".repeat(5000), { text: "\x01".repeat(5000) });
  return no ? rejected("no") : null;
};
plugin.destination("many", { batch: 64 }, (deliveries) =>
  deliveries.some((it) => it.settings.short) ? [null] : deliveries.map((it) => inBatch(it.settings)),
);
plugin.subscription("hears", { topics: ["incident.*"] }, async (events) => {
  // a code of another world is none of JSON-RPC
  if (events[0].id === "odd") throw new RpcError("E_ODD", "odd");
  await plugin.host.emit({ key: events[0].id }, { idempotencyKey: "k" });
});
plugin.route("/item/<id>", { methods: ["get"] }, ({ arguments: { id }, headers }) => ({ id, accept: headers.accept }));
plugin.route("/item/<id>", { methods: ["POST"] }, ({ json }) => ({ status: 201, body: json().n }));
plugin.route("/open", { auth: "none" }, () => "anybody");
plugin.route("/open", { methods: ["POST"] }, () => "somebody");
plugin.route("/bytes", {}, () => Buffer.from([0xff, 0]));
plugin.check("disk", {}, ({ fail }) => {
  if (fail) throw new Error("full");
  return { status: "warning", detail: "nearly full" };
});
plugin.test("one", (_, { n }) => delivered(`tested ${n}`));
plugin.validate("destination", "one", (value) => {
  if (!value.do) throw new Invalid("do", "what is to be done?");
  return { ...value, cleaned: true };
});
plugin.validate("settings", "", (value) => {
  if (value.word === "bad") throw new Invalid([["word", "is bad"]]);
});
plugin.onStart(() => {
  plugin.route("/later", {}, () => "later");
  plugin.route("/open", { methods: ["PUT"] }, () => "later");
});
plugin.onStop(() => console.log("the end of", plugin.id));
plugin.background(async (signal) => {
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
});
plugin.run();
