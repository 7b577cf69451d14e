/** Plugins for Nightbell. Fields of what the hub sends are named as in the contract, docs/plugins.md. */

/** JSON Schema. */
export type Schema = Record<string, unknown>;
/** Settings, as their schema has let them through. */
export type Settings = Record<string, any>;
type Awaitable<T> = T | Promise<T>;

export interface Link {
  title: string;
  url: string;
}

/** One incident as it was when the message was planned. Times are RFC 3339. */
export interface Alert {
  /** Its id, for `host.incident`. */
  incident: string;
  state: "open" | "acknowledged" | "resolved";
  severity: "info" | "notice" | "warning" | "error" | "critical";
  title: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  started_at: string;
  ends_at?: string | null;
  link: string;
  acknowledged_by?: string | null;
}

/** What a receiver is told, not yet in words. */
export interface Notification {
  idempotency_key: string;
  reason: string;
  receiver: string;
  route: string;
  /** Stable over time: a channel can thread by it. */
  group_key: string;
  group_labels: Record<string, string>;
  common_labels: Record<string, string>;
  common_annotations: Record<string, string>;
  /** Where people reach Nightbell, without a slash at the end. */
  external_url: string;
  alerts: Alert[];
  /** Alerts that did not fit. */
  truncated: number;
}

/** What to say, in words. */
export interface Message {
  kind: "firing" | "repeated" | "resolved" | "acknowledged" | "test";
  title: string;
  body: string;
  facts: [string, string][];
  actions: Link[];
  link: string;
  severity: string;
  notification: Notification;
}

/** Somebody who is told. */
export interface Person {
  id: string;
  name: string;
  email: string;
  settings: Settings;
}

/** What is set for a project or service, after the plugin's schema for projects. */
export interface OfProject {
  name: string;
  settings: Settings;
}

/** A message for one destination. */
export interface Delivery {
  id: string;
  /** The idempotency key: the same over all retries. */
  key: string;
  deadline_ms: number;
  kind: string;
  /** Its name: receiver, kind, number. */
  destination: string;
  /** Of this destination, with defaults filled in. */
  settings: Settings;
  message: Message;
  recipients: Person[];
  on_duty: Person[];
  /** Those that it is about, for plugins with a schema for projects. */
  projects: OfProject[];
}

/** Something that happened in the hub. */
export interface Event {
  topic: string;
  id: string;
  at: string;
  data: Record<string, any>;
}

/** A request to one of the plugin's routes. */
export interface Request {
  route: string;
  /** What stood in the pattern's places. */
  arguments: Record<string, string>;
  method: string;
  path: string;
  query: string;
  /** By their names in small letters. */
  headers: Record<string, string>;
  /** Who asks; empty for a route that anybody may ask. */
  principal: { name?: string };
  body: Uint8Array;
  /** The body as JSON; throws if it is none. */
  json(): any;
  signal: AbortSignal;
}

/** An answer to a request. A body of text or bytes is sent as it is, anything else as JSON. */
export interface Response {
  status: number;
  headers?: Record<string, string>;
  body?: unknown;
}

/** What a check found; what is left out: it passes. */
export interface Check {
  status?: "passing" | "warning" | "failing";
  detail?: string;
  labels?: Record<string, string>;
}

/** What came of a delivery. May be returned or thrown. */
export class Outcome {
  private constructor();
  readonly outcome: "delivered" | "retry" | "rejected" | "skipped";
}

interface Answered {
  /** A number, as of HTTP. */
  status?: number;
  /** What the other side answered; the first kilobyte is kept. */
  text?: string;
}

/** The other side has it; `receipt` is what it calls it. */
export function delivered(receipt?: string, more?: Answered): Outcome;
/** Not this time. `fault`: `destination`, it is down (this is the default), or `pace`, it wants less. */
export function retry(
  reason: string,
  more?: Answered & { after_ms?: number; fault?: "destination" | "pace" },
): Outcome;
/** Not ever: it goes to the dead letters. */
export function rejected(reason: string, more?: Answered): Outcome;
/** There was nobody to tell, and that is right. */
export function skipped(reason: string, more?: Answered): Outcome;

/** A setting is wrong: `throw new Invalid("room", "there is no such room")`, or with a list of pairs. */
export class Invalid extends Error {
  constructor(path: string | [path: string, message: string][], message?: string);
}

/**
 * Only a person can mend it. Thrown while modules are loaded, in `onConfigure` or in `onStart`: the program ends with
 * status 78 and is not started anew before something changes.
 */
export class Misconfigured extends Error {}

/** A request was answered with an error of this code. */
export class RpcError extends Error {
  constructor(code: number, message: string);
  readonly code: number;
}

/** How long to wait for the host, and when to wait no more. */
export interface Asking {
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** The hub that runs this plugin. An error in answer is an `RpcError`. */
export interface Host {
  readonly version: string;
  /** What this host can do beside the contract's core. */
  readonly features: string[];
  /** Small state in the hub's database: any JSON of at most 64 KiB under a key of at most 128 bytes. */
  readonly kv: {
    get(key: string): Promise<any>;
    set(key: string, value: unknown): Promise<void>;
    delete(key: string): Promise<void>;
    list(prefix?: string): Promise<string[]>;
  };
  readonly incident: {
    /** The incident as the API shows it. */
    get(id: string): Promise<Record<string, any>>;
    /** Needs the permission `act`. */
    act(id: string, verb: "acknowledge" | "resolve" | "note", more?: { by?: string; note?: string }): Promise<void>;
  };
  /** What a person (by name or id), or a project or service, has set for this plugin, with its defaults. */
  settings(of: { user: string } | { project: string }): Promise<Settings>;
  /** Brings events into the hub; gives their ids when they are on disk. Needs the permission `emit`. */
  emit(events: object | object[], options?: Asking & { idempotencyKey?: string }): Promise<string[]>;
  /** Asks another server through the hub's guarded client; only the hosts in the manifest. */
  fetch(
    method: string,
    url: string,
    options?: Asking & { headers?: Record<string, string>; body?: string | Uint8Array },
  ): Promise<{ status: number; headers: Record<string, string>; body: Uint8Array }>;
  /** A line in the plugin's log; belongs to the delivery under way, if any. */
  log(level: "debug" | "info" | "warning" | "error", message: string, fields?: Record<string, unknown>): void;
  /** How the plugin is: `ok`, or `degraded` and why. */
  status(status: "ok" | "degraded", detail?: string): void;
  /** Any method of the contract, by its name. */
  ask(method: string, params?: object, options?: Asking): Promise<any>;
}

export interface Destination {
  title?: string;
  about?: string;
  docs?: string;
  /** `machines` get everything during a storm. */
  audience?: "people" | "machines";
  /** Whether it drops what it has seen under one idempotency key. */
  deduplicates?: boolean;
  settings?: Schema;
  test_options?: Schema;
  /** Deliveries in one call, at most. Above 1, the function is given a list. */
  batch?: number;
  /** Alerts in one message, at most. */
  most_alerts?: number;
}

type Tell = (delivery: Delivery, signal: AbortSignal) => Awaitable<Outcome | void>;
type TellAll = (deliveries: Delivery[], signal: AbortSignal) => Awaitable<Outcome | void | (Outcome | null)[]>;

/**
 * A plugin. Functions that are given a signal should hand it on (`fetch(url, { signal })`): it ends with the time, and
 * when nobody waits for the answer any more.
 */
export class Plugin {
  /** The schemas of the plugin's own settings, of what each person may set, and of what each project or service may. */
  constructor(schemas?: { settings?: Schema; user?: Schema; project?: Schema });
  /** What the plugin is called; known from the first word of the host on. */
  readonly id: string;
  /** Where its files lie. */
  readonly folder: string;
  /** The folder that it may write to. */
  readonly state: string;
  /** The plugin's own settings, as they are now. */
  readonly settings: Settings;
  /** What may be asked of the host. */
  readonly host: Host;

  /** A kind of destination. Nothing returned: delivered. An error thrown: tried again. */
  destination(kind: string, options: Destination & { batch: number }, tell: TellAll): this;
  destination(kind: string, options: Destination & { batch?: undefined }, tell: Tell): this;
  /** Things that happen in the hub; the same ones again when it throws. */
  subscription(
    name: string,
    options: { topics: string[]; batch?: number; sources?: string[] },
    hear: (events: Event[], signal: AbortSignal) => Awaitable<void>,
  ): this;
  /** Requests to `/plugins/ID` and this path, `/item/<id>`. In `onStart` more may be added. */
  route(
    path: string,
    options: { methods?: string[]; auth?: "token" | "none" },
    answer: (request: Request) => Awaitable<unknown>,
  ): this;
  /** Something to look at now and then. An error thrown: it fails. */
  check(
    kind: string,
    options: { title?: string; about?: string; settings?: Schema },
    look: (settings: Settings, signal: AbortSignal) => Awaitable<Check | void>,
  ): this;
  /** A test of a destination of this kind. Without one, a test is a delivery of a message of kind `test`. */
  test(
    kind: string,
    send: (settings: Settings, options: Settings, projects: OfProject[]) => Awaitable<Outcome | void>,
  ): this;
  /** Looks at settings that their schema has let through; throws `Invalid`, and may return them cleaned. */
  validate(what: "destination", kind: string, look: (value: any) => Awaitable<unknown>): this;
  validate(what: "settings" | "user" | "project", kind: "", look: (value: any) => Awaitable<unknown>): this;
  /** Makes tickets of incidents: for the same `key`, the one that there is. */
  ticket(
    make: (
      asked: { key: string; incident: Record<string, any>; by: string; note: string },
      signal: AbortSignal,
    ) => Awaitable<{ id: string; url?: string; title?: string }>,
  ): this;
  /** Work that goes on from start to stop, when the signal ends; begun anew, after a while, when it throws. */
  background(work: (signal: AbortSignal) => Awaitable<void>): this;
  /** Called with the settings when they are there, and whenever they change; may throw `Invalid`. */
  onConfigure(call: (settings: Settings) => Awaitable<void>): this;
  /** Called before there is work. */
  onStart(call: () => Awaitable<void>): this;
  /** Called at the end; the last that was added is called first. */
  onStop(call: () => Awaitable<void>): this;
  /** Called every few seconds: gives what is wrong, or nothing. */
  health(look: () => Awaitable<string | void>): this;
  /** Serves the host over standard input and output until it ends us. What is printed goes to the plugin's log. */
  run(): void;
  /** For another wire, such as a test's: whole lines go to `write`, and what is read to `feed`. */
  serve(write: (lines: string) => void): { feed(data: Uint8Array): void; close(reason: string): void };
}
