// A hub for tests: it runs a plugin in this process, from hello to shutdown, and keeps what it says.

import { NOT_FOUND, Peer, RpcError } from "./wire.js";

/** How long each step of a plugin's start may take, and anything else. */
const START_MS = 10_000;
const CALL_MS = 30_000;

/** An alert as a notification has it. */
export const alert = (fields = {}) => ({
  incident: "0a1b2c3d4e5f6",
  state: "open",
  severity: "error",
  title: "Disk is full",
  labels: { alertname: "DiskFull" },
  annotations: {},
  started_at: "2026-01-31T12:00:00.250Z",
  ends_at: null,
  link: "",
  acknowledged_by: null,
  ...fields,
});

/** A message as the hub sends it. */
export const message = (fields = {}) => ({
  kind: "firing",
  title: "Disk is full",
  body: "",
  facts: [],
  actions: [],
  link: "http://bell.example/incidents/0a1b2c3d4e5f6",
  severity: "error",
  ...fields,
  notification: {
    idempotency_key: "key-1",
    reason: "first",
    receiver: "ops",
    route: "0",
    group_key: '{}:{alertname="DiskFull"}',
    group_labels: { alertname: "DiskFull" },
    common_labels: {},
    common_annotations: {},
    external_url: "http://bell.example",
    alerts: [alert()],
    truncated: 0,
    ...fields.notification,
  },
});

export class Host {
  logs = [];
  statuses = [];
  emitted = [];
  acts = [];
  keys = new Map();
  incidents = new Map();
  set = new Map();
  provides = {};
  features = [];
  #peer;
  #plugin;
  #count = 0;

  /** Starts a plugin. Settings that it refuses are an error; `answers` stand in for what the hub answers, by method. */
  static async with(plugin, { settings = {}, answers = {} } = {}) {
    const host = new Host();
    await host.#start(plugin, settings, answers);
    return host;
  }

  async #start(plugin, settings, answers) {
    const own = { ...this.#answers(), ...answers };
    const methods = (name) => Object.hasOwn(own, name) && (async (params) => own[name](params));
    const notes = { log: (said) => this.logs.push(said), status: (said) => this.statuses.push(said) };
    // what is written is heard in a turn of its own, as over pipes
    const to = (peer) => (text) => setImmediate(() => peer().feed(Buffer.from(text)));
    const heard = (name) => Object.hasOwn(notes, name) && notes[name];
    this.#peer = new Peer(to(() => this.#plugin), methods, () => 0, heard);
    this.#plugin = plugin.serve(to(() => this.#peer));
    const about = {
      protocol: { min: 1, max: 1 },
      host: { name: "nightbell", version: "0.0.0" },
      features: ["emit", "fetch", "incident", "kv", "settings"],
      plugin: { id: "test", folder: "", state: "" },
    };
    const hello = await this.#peer.request("hello", about, START_MS);
    [this.provides, this.features] = [hello.provides, hello.features];
    const { errors } = await this.configure(settings);
    if (errors?.length > 0) throw new Error(`the plugin refuses its settings: ${JSON.stringify(errors)}`);
    const { routes = [] } = await this.#peer.request("start", {}, START_MS);
    this.provides.routes = [...(this.provides.routes ?? []), ...routes];
  }

  #answers() {
    return {
      emit: ({ events }) => ({ ids: events.map((event) => `event-${this.emitted.push(event) - 1}`) }),
      "incident.get": ({ id }) => {
        if (this.incidents.has(id)) return this.incidents.get(id);
        throw new RpcError(NOT_FOUND, `there is no incident ${id}`);
      },
      "incident.act": ({ because: _, ...act }) => void this.acts.push(act),
      "kv.get": ({ key }) => ({ value: this.keys.get(key) ?? null }),
      "kv.set": ({ key, value }) => void this.keys.set(key, value),
      "kv.delete": ({ key }) => void this.keys.delete(key),
      "kv.list": ({ prefix = "" }) => ({ keys: [...this.keys.keys()].filter((key) => key.startsWith(prefix)).sort() }),
      "settings.get": ({ user, project }) => ({ settings: this.set.get(user ?? project) ?? {} }),
    };
  }

  /** Any method of the contract; nobody waits for its answer any more when the signal ends. */
  ask(method, params = {}, signal = undefined) {
    return this.#peer.request(method, params, CALL_MS, signal);
  }

  /** New settings; what the plugin says to them. */
  configure(settings, { dryRun = false } = {}) {
    return this.ask("configure", { settings, generation: 1, dry_run: dryRun });
  }

  /** One delivery of a message, made by `message(fields)`; its outcome. */
  async deliver(kind, settings = {}, fields = {}, more = {}) {
    const id = `delivery-${++this.#count}`;
    const whom = { recipients: [], on_duty: [], projects: [], ...more };
    const one = { id, key: `key-${this.#count}`, deadline_ms: 10_000, kind, destination: `ops/${kind}/0`, ...whom };
    const { outcomes } = await this.ask("deliver", { deliveries: [{ ...one, settings, message: message(fields) }] });
    return outcomes.find((outcome) => outcome.id === id);
  }

  /** A batch of events: `{ topic, data }`. */
  async events(subscription, ...events) {
    const whole = events.map((event, n) => ({ id: `event-${n}`, at: "2026-01-31T12:00:00Z", ...event }));
    await this.ask("events", { subscription, events: whole });
  }

  /** A request to one of its routes; the answer as the wire carries it. */
  request(route, { method = "GET", arguments: given = {}, ...more } = {}) {
    const path = Object.entries(given).reduce((path, [name, value]) => path.replace(`<${name}>`, value), route);
    return this.ask("request", { route, method, arguments: given, path, query: "", headers: [], body: "", ...more });
  }

  /** Stops it as the hub does. */
  async close() {
    await this.ask("drain");
    await this.ask("shutdown");
    this.#plugin.close("the hub is gone");
    this.#peer.close("the plugin is gone");
  }
}
