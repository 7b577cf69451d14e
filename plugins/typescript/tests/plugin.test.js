import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import test from "node:test";

import { Plugin } from "../index.js";
import { Host } from "../testing.js";
import { Lines, MAX_LINE, Peer, encode } from "../wire.js";

const GUEST = path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "guest.js");

/** Between real pipes, as the hub runs it: what node itself gives to a child are sockets. */
const PIPES = `exec 3>&1
  { cat | { "$0" "$1"; echo "status $?" >&2; } | cat >&3; } 2>&1 | cat >&2`;

/** The guest as a process. `answers` are given to what it asks. */
class Hub {
  heard = [];
  asked = [];
  #waiting = new Map();
  #next = 0;

  constructor(t, answers = {}, env = {}) {
    const environment = { PATH: process.env.PATH, NIGHTBELL_PLUGIN: "guest", ...env };
    this.child = spawn("sh", ["-c", PIPES, process.execPath, GUEST], { env: environment });
    this.log = "";
    this.ended = new Promise((resolve) => {
      this.child.stderr.on("data", (data) => {
        this.log += data;
        const status = /^status (\d+)$/m.exec(this.log);
        if (status) resolve(Number(status[1]));
      });
    });
    createInterface({ input: this.child.stdout }).on("line", (line) => this.#line(JSON.parse(line), answers));
    this.child.stdin.on("error", () => {});
    t.after(() => this.child.stdin.destroy());
  }

  #line(message, answers) {
    const waiting = this.#waiting.get(message.id);
    if (message.method) {
      this.asked.push(message);
      if (message.id !== undefined) {
        const given = answers[message.method]?.(message.params) ?? { error: { code: -32004, message: "no" } };
        this.say({ jsonrpc: "2.0", id: message.id, ...given });
      }
    } else if (waiting) {
      this.#waiting.delete(message.id);
      waiting(message);
    } else {
      this.heard.push(message);
    }
  }

  say(message) {
    this.child.stdin.write(`${JSON.stringify(message)}\n`);
  }

  send(method, params) {
    const id = ++this.#next;
    const answer = new Promise((resolve) => this.#waiting.set(id, resolve));
    this.say({ jsonrpc: "2.0", id, method, params });
    return { id, answer };
  }

  async ask(method, params = {}) {
    const { result, error } = await this.send(method, params).answer;
    if (error) throw Object.assign(new Error(error.message), { code: error.code });
    return result;
  }

  async deliver(...settings) {
    const deliveries = settings.map(({ kind = "one", deadline_ms = 5000, ...rest }, n) => ({
      id: `d${n}`,
      key: `k${n}`,
      kind,
      deadline_ms,
      settings: rest,
      message: { title: "t" },
    }));
    return (await this.ask("deliver", { deliveries })).outcomes;
  }

  async begin() {
    const protocol = { min: 1, max: 2 };
    const hello = await this.ask("hello", { protocol, plugin: { id: "guest" }, tomorrow: [] });
    await this.ask("configure", { settings: {}, generation: 1 });
    return [hello, await this.ask("start")];
  }
}

test("it says what it provides, and prints nothing to the wire", async (t) => {
  const hub = new Hub(t);
  const [hello, started] = await hub.begin();
  assert.deepEqual(hello.features, ["validate", "test"]);
  assert.deepEqual(hello.provides.destinations, [
    { kind: "one", title: "One" },
    { kind: "many", batch: 64 },
  ]);
  // what one method of a path asks for says nothing of another
  assert.deepEqual(hello.provides.routes.slice(0, 3), [
    { path: "/item/<id>", methods: ["GET", "POST"], auth: "token" },
    { path: "/open", methods: ["GET"], auth: "none" },
    { path: "/open", methods: ["POST"], auth: "token" },
  ]);
  const later = [
    { path: "/open", methods: ["PUT"], auth: "token" },
    { path: "/later", methods: ["GET"], auth: "token" },
  ];
  assert.deepEqual(started, { routes: later });
  await hub.ask("shutdown");
  hub.child.stdin.end();
  assert.equal(await hub.ended, 0);
  for (const said of ["printed while it was loaded", "written to 1", "by a child", "the end of guest"]) {
    assert.ok(hub.log.includes(said), `${said} in ${hub.log}`);
  }
  assert.deepEqual(hub.heard, []);
});

test("a contract that it does not speak is refused", async (t) => {
  const hub = new Hub(t);
  await assert.rejects(hub.ask("hello", { protocol: { min: 2, max: 3 } }), { code: -32602 });
});

test("what only a person can mend ends it with 78", async (t) => {
  const hub = new Hub(t, {}, { MISCONFIGURED: "1" });
  assert.equal(await hub.ended, 78);
  assert.match(hub.log, /nightbell-plugin: set a word/);
});

test("each outcome is told as it was meant", async (t) => {
  const hub = new Hub(t);
  await hub.begin();
  const told = async (what) => {
    const [{ id, ...outcome }] = await hub.deliver({ do: what });
    assert.equal(id, "d0");
    return outcome;
  };
  const text = "x".repeat(1024);
  assert.deepEqual(await told("delivered"), { outcome: "delivered", receipt: "r-1", status: 201, text });
  assert.deepEqual(await told("nothing"), { outcome: "delivered" });
  assert.deepEqual(await told("retry"), { outcome: "retry", reason: "down", after_ms: 1500, fault: "pace" });
  assert.deepEqual(await told("thrown"), { outcome: "skipped", reason: "nobody" });
  assert.deepEqual(await told("rejected"), { outcome: "rejected", reason: "no such room" });
  assert.deepEqual(await told("fails"), { outcome: "retry", reason: "TypeError: a is not a function" });
  assert.equal((await told("unspeakable")).outcome, "delivered");
  assert.match((await told("odd")).reason, /returned number, which is no outcome/);
  assert.deepEqual(await told("more"), { outcome: "delivered", receipt: "r-1" });
  assert.deepEqual(await told("half"), { outcome: "delivered", receipt: "\ufffd" });
  assert.match((await told("circle")).reason, /circular/);
  const [unknown] = await hub.deliver({ kind: "nobody" });
  assert.match(unknown.reason, /no destination of kind "nobody"/);
});

test("a batch is one call, and what is not in it is not lost", async (t) => {
  const hub = new Hub(t);
  await hub.begin();
  const one = { kind: "many" };
  const names = (outcomes) => outcomes.map((it) => [it.id, it.outcome]).sort();
  const mixed = await hub.deliver(one, { kind: "many", no: true }, { do: "rejected" });
  assert.deepEqual(names(mixed), [["d0", "delivered"], ["d1", "rejected"], ["d2", "rejected"]]);
  const long = await hub.deliver(...Array(64).fill({ kind: "many", long: true }));
  assert.deepEqual(new Set(long.map((it) => `${it.outcome} ${it.text.length}`)), new Set(["rejected 512"]));
  const short = await hub.deliver(one, { kind: "many", short: true });
  assert.match(short[1].reason, /returned 1 outcomes for 2 deliveries/);
});

test("time and patience end a delivery, and its function is told", async (t) => {
  const hub = new Hub(t);
  await hub.begin();
  const [late] = await hub.deliver({ do: "slow", deadline_ms: 50 });
  assert.equal(late.reason, "not done within 50 ms");
  const { id, answer } = hub.send("deliver", {
    deliveries: [{ id: "d", kind: "one", settings: { do: "slow" }, deadline_ms: 60000 }],
  });
  hub.say({ jsonrpc: "2.0", method: "$/cancel", params: { id } });
  assert.equal((await answer).error.code, -32002);
  await hub.ask("health");
  const logs = hub.asked.filter((it) => it.method === "log");
  assert.deepEqual(logs.map((it) => it.params.message), ["aborted", "aborted"]);
});

test("the hub is asked, and what it answers comes back", async (t) => {
  const hub = new Hub(t, { emit: () => ({ result: { ids: ["1"] } }) });
  await hub.begin();
  const { id, answer } = hub.send("events", { subscription: "hears", events: [{ topic: "t", id: "e1" }] });
  assert.deepEqual((await answer).result, {});
  const [emitted] = hub.asked.filter((it) => it.method === "emit");
  assert.deepEqual(emitted.params, { because: id, events: [{ key: "e1" }], idempotency_key: "k" });
  const odd = { subscription: "hears", events: [{ topic: "t", id: "odd" }] };
  await assert.rejects(hub.ask("events", odd), { code: -32603, message: "odd" });
  await hub.deliver({ do: "logs" });
  const said = { level: "warning", message: "it creaks", fields: { n: 1 }, delivery: "d0" };
  assert.deepEqual(hub.asked.at(-1).params, said);
  await assert.rejects(hub.ask("events", { subscription: "nobody", events: [] }), { code: -32004 });
  await assert.rejects(hub.ask("events", { subscription: "hears", events: [1] }), { code: -32602 });
});

test("routes, checks, tests and settings", async (t) => {
  const hub = new Hub(t);
  await hub.begin();
  const request = (method, more = {}) =>
    hub.ask("request", { route: "/item/<id>", arguments: { id: "7" }, method, headers: [["Accept", "a/b"]], ...more });
  const json = { "content-type": "application/json" };
  assert.deepEqual(await request("GET"), { status: 200, headers: json, body: '{"id":"7","accept":"a/b"}' });
  assert.deepEqual(await request("POST", { body: '{"n": 3}' }), { status: 201, headers: json, body: "3" });
  assert.equal((await request("DELETE")).status, 405);
  assert.equal((await hub.ask("request", { route: "/bytes", method: "GET" })).body_base64, "/wA=");
  const passing = { status: "warning", detail: "nearly full", labels: {} };
  assert.deepEqual(await hub.ask("check", { kind: "disk", settings: {} }), passing);
  const failing = { status: "failing", detail: "Error: full", labels: {} };
  assert.deepEqual(await hub.ask("check", { kind: "disk", settings: { fail: true } }), failing);
  const tested = await hub.ask("test", { kind: "one", settings: {}, options: { n: 2 } });
  assert.deepEqual(tested, { outcome: "delivered", receipt: "tested 2" });
  const validate = (value) => hub.ask("validate", { what: "destination", kind: "one", value });
  assert.deepEqual(await validate({}), { errors: [{ path: "do", message: "what is to be done?" }] });
  assert.deepEqual(await validate({ do: "x" }), { value: { do: "x", cleaned: true } });
  const configured = await hub.ask("configure", { settings: { word: "bad" }, generation: 2 });
  assert.deepEqual(configured, { errors: [{ path: "word", message: "is bad" }] });
});

test("odd messages are answered, and the next is understood", async (t) => {
  const hub = new Hub(t);
  await hub.begin();
  const starts = ['{"method": "start", "id": null}', '{"method": "start", "id": 1.5}'];
  const odd = ['{"id": 1, ', "", "[]", '{"jsonrpc": "2.0"}', ...starts, '{"method": "drain", "id": "p", "params": []}'];
  const last = ['{"id": 99, "result": 1}', "x".repeat(MAX_LINE + 5), ""];
  hub.child.stdin.write([...odd, ...last].join("\n"));
  hub.child.stdin.write(Buffer.from([0xff, 10]));
  await assert.rejects(hub.ask("constructor"), { code: -32601 });
  const codes = hub.heard.map((it) => it.error.code);
  assert.deepEqual(codes, [-32700, -32600, -32600, -32600, -32600, -32602, -32600, -32700]);
});

test("what is under way is finished before the end, and nothing new is begun", async (t) => {
  const hub = new Hub(t);
  await hub.begin();
  const slow = hub.deliver({ do: "slow", deadline_ms: 80 });
  const drained = hub.ask("drain");
  await assert.rejects(hub.deliver({ do: "nothing" }), { code: -32006 });
  assert.equal((await slow)[0].outcome, "retry");
  assert.deepEqual(await drained, {});
  process.kill(Number(/^pid (\d+)$/m.exec(hub.log)[1]), "SIGTERM");
  assert.equal(await hub.ended, 0);
});

test("a promise that is never settled is answered in its time, and holds up nothing", async () => {
  const plugin = new Plugin();
  const never = () => new Promise(() => {});
  plugin.destination("never", {}, never);
  plugin.destination("nobody", { batch: 8 }, never);
  plugin.check("never", {}, never);
  let begin;
  const begun = new Promise((resolve) => (begin = resolve));
  plugin.subscription("never", { topics: ["incident.*"] }, () => {
    begin();
    return never();
  });
  const host = await Host.with(plugin);
  const alone = { id: "a", kind: "never", deadline_ms: 20 };
  const together = ["b", "c"].map((id) => ({ id, kind: "nobody", deadline_ms: 20 }));
  const { outcomes } = await host.ask("deliver", { deliveries: [alone, ...together] });
  const said = outcomes.map(({ id, outcome, reason }) => `${id} ${outcome}: ${reason}`).sort();
  assert.deepEqual(said, ["a", "b", "c"].map((id) => `${id} retry: not done within 20 ms`));
  const looked = await host.ask("check", { kind: "never", deadline_ms: 20 });
  assert.deepEqual([looked.status, looked.detail], ["failing", "the check did not end in time"]);
  // what names no time of its own lasts as long as the host's patience, and its end does not wait for it
  const patience = new AbortController();
  const heard = host.ask("events", { subscription: "never", events: [] }, patience.signal);
  await begun;
  patience.abort(new Error("enough"));
  await assert.rejects(heard, /enough/);
  await host.close();
});

test("what cannot work is told at once", () => {
  const plugin = new Plugin().destination("one", {}, () => {});
  assert.throws(() => plugin.destination("one", {}, () => {}), /"one" is there twice/);
  assert.throws(() => plugin.destination("two", () => {}), /"two" needs a function as its last argument/);
});

test("lines are cut wherever they are broken", () => {
  const text = 'a\n\nbc\n' + "d".repeat(MAX_LINE) + "\nef\n";
  for (const size of [1, 2, 3, 7, MAX_LINE * 2]) {
    if (size < 7 && text.length > 1000) continue;
    const lines = [];
    let long = 0;
    const cut = new Lines((line) => lines.push(line.toString()), () => (long += 1));
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) cut.feed(bytes.subarray(at, at + size));
    assert.deepEqual([lines, long], [["a", "", "bc", "ef"], 1]);
  }
});

test("half characters in keys and words are made whole", () => {
  const line = encode({ "\udc00k": ["\ud800", "😀", "\\ud800"] });
  assert.deepEqual(JSON.parse(line), { "\ufffdk": ["\ufffd", "😀", "\\ud800"] });
});

test("an error that cannot even be shown is a failed delivery and no end", async () => {
  const plugin = new Plugin();
  const odd = {
    [Symbol.for("nodejs.util.inspect.custom")]() {
      throw new Error("not to be looked at");
    },
  };
  plugin.destination("odd", {}, () => {
    throw odd;
  });
  plugin.destination("good", {}, () => {});
  plugin.ticket(({ key }) => ({ id: `T-${key}` }));
  const host = await Host.with(plugin);
  assert.deepEqual(await host.ask("ticket", { key: "7" }), { id: "T-7", url: "", title: "" });
  assert.deepEqual(host.features, ["ticket"]);
  assert.equal((await host.deliver("odd")).outcome, "retry");
  assert.equal((await host.deliver("good")).outcome, "delivered");
  await host.close();
});

test("whoever waits for a place to ask waits no longer than their time and their patience", async () => {
  const peer = new Peer(
    () => {},
    () => undefined,
  );
  const all = Array.from({ length: 64 }, () => peer.request("emit", {}, 60_000));
  const late = peer.request("emit", {}, 20);
  await assert.rejects(late, /no answer within 20 ms/);
  const patience = new AbortController();
  const given = peer.request("emit", {}, 60_000, patience.signal);
  patience.abort(new Error("enough"));
  await assert.rejects(given, /enough/);
  // a place that is free goes to whoever still waits
  const next = peer.request("emit", {}, 60_000);
  for (const id of [1, 67]) {
    peer.feed(Buffer.from(`${JSON.stringify({ jsonrpc: "2.0", id, result: { id } })}\n`));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual([await all[0], await next], [{ id: 1 }, { id: 67 }]);
  peer.close("over");
  await Promise.allSettled(all);
});
