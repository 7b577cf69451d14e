// Plugins for Nightbell: a `Plugin`, functions in it, and `run()`. The types are in index.d.ts.

import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as rest } from "node:timers/promises";

import {
  FAILED,
  MAX_LINE,
  NOT_FOUND,
  NOT_NOW,
  Peer,
  RpcError,
  WRONG_PARAMETERS,
  guard,
  lastLine,
  logged,
  openWire,
  underWay,
  unlessAborted,
  within,
} from "./wire.js";

export { RpcError } from "./wire.js";

const VERSION = "0.1.0";
/** The number of the contract that this is written for. */
const CONTRACT = 1;
/** For a delivery or a check that names no time. */
const DEFAULT_DEADLINE_MS = 10_000;
/** How long the host may take to answer. */
const ASK_MS = 30_000;
/** How long the plugin's functions for its end may take together: the host waits 5 seconds. */
const STOP_MS = 4_000;
/** Milliseconds before background work that failed begins anew: at first, and at most. */
const FIRST_REST = 1_000;
const LONGEST_REST = 60_000;
/** Characters of a reason, of what the other side answered, and of a line in the log. */
const MAX_REASON = 2_000;
const MAX_TEXT = 1_024;
const MAX_LOG = 16_000;
/** What may make the hub tell plugins something: the host is told because of which request it is done. */
const CHAINED = ["emit", "incident.act"];
/** Exit status: only a person can mend it. */
const MISCONFIGURED = 78;

// the host says who we are: then nothing that is printed may reach the wire, not even while modules are loaded
if (process.env.NIGHTBELL_PLUGIN) guard();
process.on("uncaughtExceptionMonitor", (error) => {
  if (error instanceof Misconfigured) leave(MISCONFIGURED, error.message);
});

function leave(status, why) {
  if (why) logged(`nightbell-plugin: ${why}`);
  process.exit(status);
}

/** What the host is told of an outcome. */
const FIELDS = ["outcome", "receipt", "reason", "after_ms", "fault", "status", "text"];

/** What came of a delivery; made by the four functions below. */
export class Outcome {
  constructor(outcome, fields) {
    this.outcome = outcome;
    Object.assign(this, fields);
  }

  toJSON() {
    // what else somebody puts there is nothing to the host, and may be long
    const given = FIELDS.filter((name) => this[name] !== undefined);
    const fields = Object.fromEntries(given.map((name) => [name, this[name]]));
    if (fields.reason !== undefined) fields.reason = String(fields.reason).slice(0, MAX_REASON);
    for (const name of ["text", "receipt"]) {
      if (fields[name] !== undefined) fields[name] = String(fields[name]).slice(0, MAX_TEXT);
    }
    if (fields.status !== undefined) fields.status = Number.parseInt(fields.status, 10) || undefined;
    if (fields.after_ms !== undefined) fields.after_ms = Math.max(0, Math.round(Number(fields.after_ms))) || 0;
    return fields;
  }
}

export const delivered = (receipt, more) => new Outcome("delivered", { receipt, ...more });
export const retry = (reason, more) => new Outcome("retry", { reason, ...more });
export const rejected = (reason, more) => new Outcome("rejected", { reason, ...more });
export const skipped = (reason, more) => new Outcome("skipped", { reason, ...more });

function outcomeOf(returned) {
  if (returned === undefined || returned === null) return delivered();
  if (returned instanceof Outcome) return returned;
  if (returned instanceof Error) return retry(lastLine(returned));
  return retry(`the plugin returned ${typeof returned}, which is no outcome`);
}

/** An outcome as the wire carries it. One that cannot be told must not make the others of a batch come again. */
function told(returned) {
  try {
    return outcomeOf(returned).toJSON();
  } catch (error) {
    // that it is delivered counts for more than what cannot be said of it
    const outcome = returned instanceof Outcome ? returned.outcome : "retry";
    return { outcome, reason: `the plugin's outcome cannot be told: ${lastLine(error)}` };
  }
}

/** The same, with shorter words where they would not fit into a line together. */
function fitting(outcomes) {
  const words = ["reason", "text", "receipt"];
  const length = outcomes.reduce((sum, one) => sum + words.reduce((sum, word) => sum + (one[word]?.length ?? 0), 0), 0);
  // a character has at most six bytes in JSON
  if (length * 6 <= MAX_LINE / 2) return outcomes;
  const most = Math.floor(MAX_LINE / (32 * outcomes.length));
  const short = (one) => words.filter((word) => one[word]).map((word) => [word, one[word].slice(0, most)]);
  return outcomes.map((one) => ({ ...one, ...Object.fromEntries(short(one)) }));
}

/** A setting is wrong: `throw new Invalid("room", "there is no such room")`, or with a list of pairs. */
export class Invalid extends Error {
  constructor(path, message = "") {
    const pairs = Array.isArray(path) ? path : [[path, message]];
    super(pairs.map(([path, message]) => (path ? `${path}: ${message}` : message)).join("; "));
    this.name = "Invalid";
    this.errors = pairs.map(([path, message]) => ({ path: String(path), message: String(message) }));
  }
}

/** Only a person can mend it: the program ends with status 78 and is not started anew before something changes. */
export class Misconfigured extends Error {
  name = "Misconfigured";
}

const delivery = new AsyncLocalStorage();

/** The hub that runs this plugin. */
class Host {
  version = "";
  features = [];
  #peer;
  #health = { status: "ok", detail: "" };

  kv = {
    get: async (key) => {
      try {
        return (await this.ask("kv.get", { key }))?.value ?? undefined;
      } catch (error) {
        if (error instanceof RpcError && error.code === NOT_FOUND) return undefined;
        throw error;
      }
    },
    set: async (key, value) => void (await this.ask("kv.set", { key, value })),
    delete: async (key) => void (await this.ask("kv.delete", { key })),
    list: async (prefix = "") => (await this.ask("kv.list", { prefix }))?.keys ?? [],
  };

  incident = {
    get: (id) => this.ask("incident.get", { id }),
    act: async (id, verb, more = {}) => void (await this.ask("incident.act", { by: "", note: "", ...more, id, verb })),
  };

  attach(peer) {
    this.#peer = peer;
  }

  health() {
    return this.#health;
  }

  async ask(method, params = {}, options = {}) {
    if (!this.#peer) throw new RpcError(FAILED, "there is no host yet: ask it in onStart or later");
    const because = CHAINED.includes(method) ? underWay.getStore() : undefined;
    if (because !== undefined) params = { because, ...params };
    return this.#peer.request(method, params, options.timeoutMs ?? ASK_MS, options.signal);
  }

  async settings(of) {
    return (await this.ask("settings.get", of))?.settings ?? {};
  }

  async emit(events, options = {}) {
    const { idempotencyKey, ...more } = options;
    const params = { events: Array.isArray(events) ? events : [events] };
    if (idempotencyKey !== undefined) params.idempotency_key = idempotencyKey;
    return (await this.ask("emit", params, more))?.ids ?? [];
  }

  async fetch(method, url, options = {}) {
    const { body, headers = {}, timeoutMs, signal } = options;
    const params = { method, url, headers, ...withBody(body) };
    if (timeoutMs !== undefined) params.timeout_ms = timeoutMs;
    const answer = await this.ask("fetch", params, { signal });
    return { status: answer.status, headers: headersOf(answer.headers), body: bodyOf(answer) };
  }

  log(level, message, fields) {
    const params = { level, message: String(message).slice(0, MAX_LOG), fields };
    const id = delivery.getStore();
    if (id) params.delivery = id;
    try {
      this.#peer?.notify("log", params);
    } catch (error) {
      this.#peer?.notify("log", { level: "error", message: `a log could not be written: ${lastLine(error)}` });
    }
  }

  status(status, detail = "") {
    const said = { status, detail: String(detail).slice(0, MAX_REASON) };
    if (said.status === this.#health.status && said.detail === this.#health.detail) return;
    this.#health = said;
    this.#peer?.notify("status", said);
  }
}

/** A body as the wire carries it: `body` if it is text, `body_base64` if it is not. */
function withBody(body) {
  if (body === undefined || body === null) return {};
  return typeof body === "string" ? { body } : { body_base64: Buffer.from(body).toString("base64") };
}

const bodyOf = ({ body, body_base64: coded }) =>
  coded === undefined || coded === null ? Buffer.from(body ?? "") : Buffer.from(coded, "base64");

function headersOf(raw) {
  const pairs = Array.isArray(raw) ? raw : Object.entries(raw ?? {});
  return Object.fromEntries(pairs.map(([name, value]) => [String(name).toLowerCase(), String(value)]));
}

/** What a function of a route means: nothing (204), `{ status, headers, body }`, a text, bytes, or JSON. */
function responseOf(returned) {
  if (returned === undefined || returned === null) return { status: 204, headers: {} };
  const whole = typeof returned === "object" && typeof returned.status === "number";
  const { status = 200, headers = {}, body } = whole ? returned : { body: returned };
  const raw = typeof body === "string" || body instanceof Uint8Array || body === undefined || body === null;
  const kind = typeof body === "string" ? "text/plain; charset=utf-8" : "application/octet-stream";
  const told = { ...headers };
  const named = Object.keys(told).some((name) => name.toLowerCase() === "content-type");
  if (!named && body !== undefined && body !== null) told["content-type"] = raw ? kind : "application/json";
  return { status, headers: told, ...withBody(raw ? body : JSON.stringify(body)) };
}

function objects(params, name) {
  const items = params[name];
  if (!Array.isArray(items) || items.some((item) => item === null || typeof item !== "object")) {
    throw new RpcError(WRONG_PARAMETERS, `${name} is a list of objects`);
  }
  return items;
}

/** A plugin: what it provides, and what it is. */
export class Plugin {
  id = "";
  folder = "";
  state = "";
  settings = {};
  host = new Host();
  #schemas;
  #destinations = new Map();
  #subscriptions = new Map();
  #routes = new Map();
  #checks = new Map();
  #tests = new Map();
  #validators = new Map();
  #ticket;
  #backgrounds = [];
  #on = { configure: [], start: [], stop: [] };
  #health;
  #stop = new AbortController();
  #stopped;
  #draining = false;
  #working = new Set();
  #running = [];

  constructor(schemas = {}) {
    this.#schemas = schemas;
  }

  // what it provides

  destination(kind, options, tell) {
    return this.#add(this.#destinations, kind, { kind, ...options }, tell);
  }

  subscription(name, options, hear) {
    return this.#add(this.#subscriptions, name, { name, ...options }, hear);
  }

  route(path, options, answer) {
    const { methods = ["GET"], auth = "token" } = options;
    const known = this.#routes.get(path) ?? { open: new Map(), answers: new Map() };
    // the methods of a path that the same people may use are one route
    const facts = known.open.get(auth) ?? { path, methods: [], auth };
    for (const method of methods.map((method) => method.toUpperCase())) {
      if (known.answers.has(method)) throw new Error(`the route ${method} ${path} is there twice`);
      facts.methods.push(method);
      known.answers.set(method, answer);
    }
    known.open.set(auth, facts);
    this.#routes.set(path, known);
    return this;
  }

  #routeFacts() {
    const all = [...this.#routes.values()].flatMap(({ open }) => [...open.values()]);
    return all.map((facts) => ({ ...facts, methods: [...facts.methods] }));
  }

  check(kind, options, look) {
    return this.#add(this.#checks, kind, { kind, ...options }, look);
  }

  test(kind, send) {
    return this.#add(this.#tests, kind, {}, send);
  }

  validate(what, kind, look) {
    return this.#add(this.#validators, `${what} ${kind}`, {}, look);
  }

  ticket(make) {
    this.#ticket = make;
    return this;
  }

  background(work) {
    this.#backgrounds.push(work);
    return this;
  }

  onConfigure(call) {
    this.#on.configure.push(call);
    return this;
  }

  onStart(call) {
    this.#on.start.push(call);
    return this;
  }

  onStop(call) {
    this.#on.stop.unshift(call);
    return this;
  }

  health(look) {
    this.#health = look;
    return this;
  }

  #add(to, key, facts, call) {
    if (to.has(key)) throw new Error(`${JSON.stringify(key)} is there twice`);
    if (typeof call !== "function") throw new TypeError(`${JSON.stringify(key)} needs a function as its last argument`);
    to.set(key, { facts, call });
    return this;
  }

  // its life

  /** Serves the host over standard input and output until it ends us. */
  run() {
    const wire = openWire((data) => peer.feed(data), () => void this.#end(wire, peer, 0));
    const peer = this.serve(wire.write, wire.backlog);
    for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => void this.#end(wire, peer, 0));
  }

  /** For another wire, such as that of a test: what is written goes to `write`, what is read to the peer's `feed`. */
  serve(write, backlog) {
    const methods = this.#methods();
    const peer = new Peer(write, (name) => Object.hasOwn(methods, name) && methods[name], backlog);
    this.host.attach(peer);
    return peer;
  }

  async #end(wire, peer, status) {
    wire.close();
    await this.#close();
    peer.close("the host is gone");
    peer.flush();
    await Promise.race([wire.flushed(), rest(2_000)]);
    leave(status);
  }

  #methods() {
    // what there is nothing for is no method of this plugin
    return {
      hello: (params) => this.#hello(params),
      configure: (params) => this.#configure(params),
      start: () => this.#start(),
      deliver: (params, signal) => this.#work(this.#deliver(params, signal), signal),
      validate: this.#validators.size > 0 && ((params) => this.#validate(params)),
      test: this.#tests.size > 0 && ((params) => this.#test(params)),
      events: this.#subscriptions.size > 0 && ((params, signal) => this.#work(this.#events(params, signal), signal)),
      request: (params, signal) => this.#work(this.#request(params, signal), signal),
      check: this.#checks.size > 0 && ((params, signal) => this.#check(params, signal)),
      ticket: this.#ticket && ((params, signal) => this.#work(this.#makeTicket(params, signal), signal)),
      health: () => this.#healthy(),
      drain: () => this.#drain(),
      shutdown: () => this.#close(),
    };
  }

  #hello(params) {
    const { min = CONTRACT, max = CONTRACT } = params.protocol ?? {};
    if (!(min <= CONTRACT && CONTRACT <= max)) {
      throw new RpcError(WRONG_PARAMETERS, `this plugin speaks contract ${CONTRACT} only, not ${min} to ${max}`);
    }
    const { id = "", folder = "", state = "" } = params.plugin ?? {};
    Object.assign(this, { id, folder, state });
    this.host.features = params.features ?? [];
    this.host.version = params.host?.version ?? "";
    const validates = [...this.#validators.keys()].some((key) => !key.startsWith("settings "));
    const features = [validates && "validate", this.#tests.size > 0 && "test", this.#ticket && "ticket"];
    const facts = (items) => [...items.values()].map((item) => item.facts);
    const provides = {
      destinations: facts(this.#destinations),
      subscriptions: facts(this.#subscriptions),
      routes: this.#routeFacts(),
      checks: facts(this.#checks),
      ...this.#schemas,
    };
    return { protocol: CONTRACT, sdk: `nightbell-plugin-js ${VERSION}`, features: features.filter(Boolean), provides };
  }

  async #configure(params) {
    const before = this.settings;
    try {
      const given = params.settings ?? {};
      const settings = (await this.#validators.get("settings ")?.call(given)) ?? given;
      if (params.dry_run) return {};
      this.settings = settings;
      for (const call of this.#on.configure) await call(settings);
      return {};
    } catch (error) {
      this.settings = before;
      if (error instanceof Invalid) return { errors: error.errors };
      if (error instanceof Misconfigured) return { errors: [{ path: "", message: error.message }] };
      throw error;
    }
  }

  async #start() {
    const name = ({ auth, path }) => `${auth} ${path}`;
    const before = new Map(this.#routeFacts().map((facts) => [name(facts), facts.methods.length]));
    try {
      for (const call of this.#on.start) await call();
    } catch (error) {
      if (error instanceof Misconfigured) leave(MISCONFIGURED, error.message);
      throw error;
    }
    this.#running.push(...this.#backgrounds.map((work) => this.#background(work)));
    const added = this.#routeFacts().map((facts) => ({
      ...facts,
      methods: facts.methods.slice(before.get(name(facts)) ?? 0),
    }));
    const routes = added.filter((route) => route.methods.length > 0);
    return routes.length > 0 ? { routes } : {};
  }

  async #background(work) {
    const { signal } = this.#stop;
    const name = work.name || "background work";
    for (let pause = FIRST_REST; !signal.aborted; pause = Math.min(pause * 2, LONGEST_REST)) {
      const begun = performance.now();
      try {
        return await work(signal);
      } catch (error) {
        if (signal.aborted) return;
        logged(`${name} failed and begins anew:`, error);
        this.host.status("degraded", `${name}: ${lastLine(error)}`);
      }
      // what went well for a while begins with a short rest again
      if (performance.now() - begun > LONGEST_REST) pause = FIRST_REST;
      await rest(pause, undefined, { signal }).catch(() => {});
      this.host.status("ok");
    }
  }

  // its work

  /** What is under way until it is done, or until nobody waits for it any more: it may never be settled. */
  async #work(promise, signal) {
    const working = unlessAborted(signal, promise);
    this.#working.add(working);
    try {
      return await working;
    } finally {
      this.#working.delete(working);
    }
  }

  #ready() {
    if (this.#draining) throw new RpcError(NOT_NOW, "the plugin is stopping");
  }

  async #deliver(params, signal) {
    this.#ready();
    const calls = [];
    const batches = new Map();
    for (const one of objects(params, "deliveries")) {
      const batch = (this.#destinations.get(one.kind)?.facts.batch ?? 1) > 1;
      if (!batch) calls.push([one]);
      else if (batches.has(one.kind)) batches.get(one.kind).push(one);
      else calls.push(batches.set(one.kind, [one]).get(one.kind));
    }
    const outcomes = await Promise.all(calls.map((deliveries) => this.#tell(deliveries, signal)));
    return { outcomes: fitting(outcomes.flat()) };
  }

  /** One call of a destination's function: for a list, or for the one delivery in it. */
  async #tell(deliveries, signal) {
    const [first] = deliveries;
    const destination = this.#destinations.get(first.kind);
    if (!destination) {
      const none = retry(`this plugin has no destination of kind ${JSON.stringify(first.kind)}`);
      return deliveries.map(({ id }) => ({ id, ...none.toJSON() }));
    }
    const deadline = Math.min(...deliveries.map((one) => one.deadline_ms || DEFAULT_DEADLINE_MS));
    const batch = (destination.facts.batch ?? 1) > 1;
    const call = (signal) =>
      delivery.run(deliveries.length === 1 ? first.id : "", async () =>
        destination.call(batch ? deliveries : first, signal),
      );
    const late = () => retry(`not done within ${deadline} ms`);
    let returned = await this.#bounded(deadline, late, signal, call).catch((error) => {
      if (error instanceof Outcome) return error;
      logged("a delivery failed:", error);
      return error instanceof Error ? error : new Error(String(error));
    });
    if (Array.isArray(returned) && returned.length !== deliveries.length) {
      returned = retry(`the plugin returned ${returned.length} outcomes for ${deliveries.length} deliveries`);
    }
    return deliveries.map(({ id }, at) => {
      const one = Array.isArray(returned) ? returned[at] : returned;
      return { id, ...told(one) };
    });
  }

  /** Calls it with a signal that ends with the time, with the host's patience, or with the plugin. */
  async #bounded(milliseconds, late, signal, call) {
    const own = new AbortController();
    const all = AbortSignal.any ? AbortSignal.any([own.signal, signal]) : own.signal;
    try {
      return await within(milliseconds, late, unlessAborted(signal, call(all)));
    } finally {
      own.abort(new RpcError(FAILED, "the call is over"));
    }
  }

  async #test(params) {
    const test = this.#tests.get(params.kind);
    try {
      const { settings = {}, options = {}, projects = [] } = params;
      if (test) return outcomeOf(await test.call(settings, options, projects)).toJSON();
    } catch (error) {
      if (!(error instanceof Outcome)) logged("a test failed:", error);
      return outcomeOf(error instanceof Outcome || error instanceof Error ? error : new Error(String(error))).toJSON();
    }
    const message = { kind: "test", title: "Test", body: "A test message", severity: "info" };
    const one = { id: "test", key: "test", kind: params.kind, settings: params.settings ?? {}, message };
    const [{ id, ...outcome }] = await this.#tell([one], new AbortController().signal);
    return outcome;
  }

  async #validate({ what, kind = "", value }) {
    const validator = this.#validators.get(`${what} ${kind}`) ?? this.#validators.get(`${what} `);
    try {
      return { value: (await validator?.call(value)) ?? value };
    } catch (error) {
      if (error instanceof Invalid) return { errors: error.errors };
      throw error;
    }
  }

  async #events(params, signal) {
    this.#ready();
    const subscription = this.#subscriptions.get(params.subscription);
    if (!subscription) throw new RpcError(NOT_FOUND, `there is no subscription ${JSON.stringify(params.subscription)}`);
    await subscription.call(objects(params, "events"), signal);
    return {};
  }

  async #request(params, signal) {
    this.#ready();
    const route = this.#routes.get(params.route);
    if (!route) throw new RpcError(NOT_FOUND, `there is no route ${JSON.stringify(params.route)}`);
    const answer = route.answers.get(String(params.method).toUpperCase());
    if (!answer) return responseOf({ status: 405, body: "the route has no such method" });
    const body = bodyOf(params);
    const request = {
      ...params,
      arguments: params.arguments ?? {},
      headers: headersOf(params.headers),
      principal: params.principal ?? {},
      body,
      json: () => JSON.parse(body.toString()),
      signal,
    };
    return responseOf(await answer(request));
  }

  async #check(params, signal) {
    const check = this.#checks.get(params.kind);
    if (!check) throw new RpcError(NOT_FOUND, `there is no check ${JSON.stringify(params.kind)}`);
    const failing = (detail) => ({ status: "failing", detail: detail.slice(0, MAX_REASON), labels: {} });
    try {
      const late = () => new RpcError(FAILED, "the check did not end in time");
      const call = async (signal) => check.call(params.settings ?? {}, signal);
      const found = await this.#bounded(params.deadline_ms || DEFAULT_DEADLINE_MS, late, signal, call);
      return { status: "passing", detail: "", labels: {}, ...found };
    } catch (error) {
      return failing(error instanceof RpcError ? error.message : lastLine(error));
    }
  }

  async #makeTicket(params, signal) {
    this.#ready();
    const made = await this.#ticket(params, signal);
    if (typeof made?.id !== "string") throw new RpcError(FAILED, "a ticket has an id, which is a text");
    return { url: "", title: "", ...made };
  }

  async #healthy() {
    const wrong = await this.#health?.();
    return wrong ? { status: "degraded", detail: String(wrong) } : this.host.health();
  }

  // its end

  async #drain() {
    this.#draining = true;
    await Promise.allSettled(this.#working);
    return {};
  }

  async #close() {
    this.#draining = true;
    this.#stopped ??= this.#closing();
    await this.#stopped;
    return {};
  }

  async #closing() {
    this.#stop.abort(new RpcError(NOT_NOW, "the plugin is stopping"));
    const all = async () => {
      await Promise.allSettled(this.#running);
      for (const call of this.#on.stop) {
        try {
          await call();
        } catch (error) {
          logged("the plugin's end failed:", error);
        }
      }
    };
    const late = () => new Error(`the plugin's end took more than ${STOP_MS} ms`);
    await within(STOP_MS, late, all()).catch((error) => console.error(error.message));
  }
}
