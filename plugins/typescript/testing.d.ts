// A hub for tests: it runs a plugin in this process, from hello to shutdown, and keeps what it says.

import type { Alert, Message, OfProject, Person, Plugin, Settings } from "./index.js";

/** An alert as a notification has it. */
export function alert(fields?: Partial<Alert>): Alert;
/** A message as the hub sends it. */
export function message(fields?: Record<string, unknown>): Message;

/** What came of a delivery, as the wire carries it. */
export interface Told {
  id: string;
  outcome: "delivered" | "retry" | "rejected" | "skipped";
  receipt?: string;
  reason?: string;
  after_ms?: number;
  fault?: string;
  status?: number;
  text?: string;
}

export class Host {
  /** Starts a plugin. Settings that it refuses are an error; `answers` stand in for what the hub answers, by method. */
  static with(
    plugin: Plugin,
    options?: { settings?: Settings; answers?: Record<string, (params: any) => unknown> },
  ): Promise<Host>;
  /** What the plugin said of itself. */
  provides: Record<string, any>;
  features: string[];
  /** What the plugin has said so far, and what it keeps in the hub. */
  logs: { level: string; message: string; fields?: Record<string, unknown>; delivery?: string }[];
  statuses: { status: string; detail: string }[];
  emitted: any[];
  acts: any[];
  keys: Map<string, any>;
  /** The incidents that there are, by id. */
  incidents: Map<string, any>;
  /** What people and projects have set for the plugin, by their names. */
  set: Map<string, Settings>;
  /** Any method of the contract. */
  ask(method: string, params?: object, signal?: AbortSignal): Promise<any>;
  /** New settings; what the plugin says to them. */
  configure(
    settings: Settings,
    options?: { dryRun?: boolean },
  ): Promise<{ errors?: { path: string; message: string }[] }>;
  /** One delivery of a message, made by `message(fields)`; its outcome. */
  deliver(
    kind: string,
    settings?: Settings,
    fields?: Record<string, unknown>,
    more?: { recipients?: Person[]; on_duty?: Person[]; projects?: OfProject[] },
  ): Promise<Told>;
  /** A batch of events: `{ topic, data }`. */
  events(subscription: string, ...events: { topic: string; data: object }[]): Promise<void>;
  /** A request to one of its routes; the answer as the wire carries it. */
  request(route: string, options?: Record<string, unknown>): Promise<{ status: number; headers: any; body?: string }>;
  /** Stops it as the hub does. */
  close(): Promise<void>;
}
