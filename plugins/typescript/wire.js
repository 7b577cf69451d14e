// The wire: JSON-RPC 2.0 with one message a line, both ways over one pair of pipes.

import { AsyncLocalStorage } from "node:async_hooks";
import fs from "node:fs";
import net from "node:net";

/** Bytes of one message with the end of its line. */
export const MAX_LINE = 1 << 20;
/** Requests that a plugin may have under way. */
const MAX_CALLS = 64;
/** Requests of the other side that are served at once; the host keeps to fewer. */
const MAX_SERVED = 256;
/** Bytes that may wait for the other side to read before notifications are dropped. */
const MAX_BACKLOG = 4 * MAX_LINE;
/** Characters of an error's message. */
const MAX_ERROR = 2000;
/** The longest time that a timer of JavaScript can wait, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

export const NOT_JSON = -32700;
export const NOT_A_REQUEST = -32600;
export const NO_SUCH_METHOD = -32601;
export const WRONG_PARAMETERS = -32602;
export const FAILED = -32603;
export const TIME_OVER = -32001;
export const CANCELLED = -32002;
export const NOT_FOUND = -32004;
export const TOO_MUCH = -32005;
export const NOT_NOW = -32006;

/** The id of the other side's request that is being served. */
export const underWay = new AsyncLocalStorage();

/** A request was answered with an error. */
export class RpcError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "RpcError";
    this.code = code;
  }
}

/** An error as people quote it: one line. */
export function lastLine(error) {
  let said;
  try {
    said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  } catch {
    said = "an error whose text cannot be made";
  }
  return wellFormed(said.split("\n", 1)[0].slice(0, MAX_ERROR));
}

/** Prints an error. One that cannot be shown must not end the program. */
export function logged(...words) {
  try {
    console.error(...words);
  } catch {
    console.error("an error that cannot be shown");
  }
}

/** The text with U+FFFD for halves of characters, which JSON on the wire cannot carry. */
export const wellFormed = (text) => text.toWellFormed();

const wellFormedKeys = (value) =>
  Object.fromEntries(Object.entries(value).map(([key, inner]) => [wellFormed(key), inner]));

/** One line. Throws when there is no JSON for it: a circle, a BigInt. */
export function encode(message) {
  let text = JSON.stringify(message);
  // what looks like half a character may be one: then everything is looked at
  if (/\\ud[89a-f]/i.test(text)) {
    text = JSON.stringify(message, (_, value) => {
      if (typeof value === "string") return wellFormed(value);
      return value !== null && typeof value === "object" && !Array.isArray(value) ? wellFormedKeys(value) : value;
    });
  }
  return `${text}\n`;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isId = (value) => typeof value === "string" || Number.isSafeInteger(value);

/** Cuts what is read into lines of at most `MAX_LINE` bytes. */
export class Lines {
  #parts = [];
  #length = 0;
  #skipping = false;

  constructor(line, tooLong) {
    this.line = line;
    this.tooLong = tooLong;
  }

  feed(data) {
    let begin = 0;
    for (let end; (end = data.indexOf(10, begin)) >= 0; begin = end + 1) {
      this.#keep(data.subarray(begin, end));
      if (this.#skipping) this.#skipping = false;
      else this.line(this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts));
      this.#parts = [];
      this.#length = 0;
    }
    if (begin < data.length) this.#keep(data.subarray(begin));
  }

  #keep(part) {
    if (this.#skipping) return;
    this.#length += part.length;
    if (this.#length >= MAX_LINE) {
      this.#skipping = true;
      this.#parts = [];
      this.tooLong();
    } else {
      this.#parts.push(part);
    }
  }
}

/** One end of the wire: answers what the other side asks, and asks the other side. */
export class Peer {
  /** Notifications that were not written since the other side did not read, and answers to nobody. */
  dropped = 0;
  #write;
  #backlog;
  #methods;
  #notes;
  #served = new Map();
  #calls = new Map();
  #queue = [];
  #next = 0;
  #closed = "";
  #out = [];
  #lines = new Lines(
    (line) => this.#line(line),
    () => this.#error(null, NOT_A_REQUEST, `a line is longer than ${MAX_LINE} bytes`),
  );

  /**
   * `write` takes whole lines, `methods` gives what answers a method, or nothing; `backlog` is what waits, `notes`
   * gives what hears a notification.
   */
  constructor(write, methods, backlog = () => 0, notes = () => undefined) {
    this.#write = write;
    this.#methods = methods;
    this.#backlog = backlog;
    this.#notes = notes;
  }

  /** Takes in bytes as they were read, lines or parts of them. */
  feed(data) {
    this.#lines.feed(data);
  }

  #line(line) {
    let message;
    try {
      const text = utf8.decode(line);
      if (text.trim() === "") return;
      message = JSON.parse(text);
    } catch (error) {
      this.#error(null, NOT_JSON, `not JSON: ${lastLine(error)}`);
      return;
    }
    if (!isObject(message)) {
      this.#error(null, NOT_A_REQUEST, "a message is an object");
    } else if (typeof message.method === "string") {
      const params = message.params ?? {};
      if (!("id" in message)) this.#noted(message.method, params);
      else if (!isId(message.id)) this.#error(null, NOT_A_REQUEST, "an id is an integer or a string");
      else void this.#asked(message.id, message.method, params);
    } else if ("result" in message || "error" in message) {
      this.#answered(message);
    } else {
      this.#error(null, NOT_A_REQUEST, "neither a request nor an answer");
    }
  }

  #noted(method, params) {
    if (!isObject(params)) return;
    if (method === "$/cancel") this.#served.get(params.id)?.abort(new RpcError(CANCELLED, "cancelled"));
    const hear = this.#notes(method);
    if (hear) hear(params);
  }

  async #asked(id, method, params) {
    const serve = this.#methods(method);
    if (!serve) return this.#error(id, NO_SUCH_METHOD, `there is no method ${JSON.stringify(method.slice(0, 100))}`);
    if (!isObject(params)) return this.#error(id, WRONG_PARAMETERS, `the parameters of ${method} are an object`);
    if (this.#served.has(id)) return this.#error(id, NOT_A_REQUEST, `the id ${id} is under way already`);
    if (this.#served.size >= MAX_SERVED) {
      return this.#error(id, TOO_MUCH, `${MAX_SERVED} requests are under way already`);
    }
    const abort = new AbortController();
    this.#served.set(id, abort);
    try {
      const result = await unlessAborted(abort.signal, underWay.run(id, serve, params, abort.signal));
      const line = encode({ jsonrpc: "2.0", id, result: result ?? {} });
      const length = Buffer.byteLength(line);
      if (length > MAX_LINE) {
        throw new RpcError(FAILED, `the answer of ${length} bytes is longer than a line may be (${MAX_LINE})`);
      }
      this.#put(line);
      // nothing else is about to be said: no turn of the loop is waited for
      if (this.#served.size <= 1) this.flush();
    } catch (error) {
      const known = error instanceof RpcError;
      if (!known) logged(error);
      const code = known && Number.isSafeInteger(error.code) ? error.code : FAILED;
      this.#error(id, code, known ? error.message : lastLine(error));
    } finally {
      this.#served.delete(id);
    }
  }

  #answered(message) {
    const call = this.#calls.get(message.id);
    if (!call) {
      this.dropped += 1;
      return;
    }
    this.#calls.delete(message.id);
    const { error } = message;
    if (isObject(error)) {
      const code = Number.isSafeInteger(error.code) ? error.code : FAILED;
      call.reject(new RpcError(code, String(error.message ?? "no reason was given")));
    } else if ((error ?? null) !== null) {
      call.reject(new RpcError(FAILED, String(error)));
    } else {
      call.resolve(message.result);
    }
  }

  /** Asks the other side. An error in answer, no answer in time and the end of the other side are an `RpcError`. */
  async request(method, params, timeoutMs, signal) {
    const id = ++this.#next;
    const line = encode({ jsonrpc: "2.0", id, method, params });
    const length = Buffer.byteLength(line);
    if (length > MAX_LINE) {
      const why = `${method}: ${length} bytes are more than a line may have (${MAX_LINE})`;
      throw new RpcError(WRONG_PARAMETERS, why);
    }
    signal?.throwIfAborted();
    const waiting = { over: false };
    // the time, and the patience of whoever asks, are those of the wait for a place as well
    const asked = this.#place(waiting).then(() => {
      if (waiting.over) return undefined;
      if (this.#closed) throw new RpcError(FAILED, this.#closed);
      const answer = new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject }));
      this.#put(line);
      return answer;
    });
    try {
      const late = () => new RpcError(TIME_OVER, `${method}: no answer within ${timeoutMs} ms`);
      return await within(timeoutMs, late, signal ? unlessAborted(signal, asked) : asked);
    } finally {
      waiting.over = true;
      // whoever still stands here has no answer: nobody waits for it any more
      if (this.#calls.delete(id)) this.notify("$/cancel", { id });
      this.#nextInLine();
    }
  }

  /** Until there is a place for one more request. */
  async #place(waiting) {
    while (this.#calls.size >= MAX_CALLS && !this.#closed && !waiting.over) {
      await new Promise((resolve) => this.#queue.push({ resolve, waiting }));
    }
  }

  #nextInLine() {
    while (this.#queue.length > 0) {
      const { resolve, waiting } = this.#queue.shift();
      resolve();
      if (!waiting.over) return;
    }
  }

  /** Tells the other side; dropped and counted when it does not read, or when it is too long. */
  notify(method, params) {
    const line = encode({ jsonrpc: "2.0", method, params });
    if (Buffer.byteLength(line) > MAX_LINE || this.#backlog() > MAX_BACKLOG) this.dropped += 1;
    else this.#put(line);
  }

  #error(id, code, message) {
    this.#put(encode({ jsonrpc: "2.0", id, error: { code, message: wellFormed(message.slice(0, MAX_ERROR)) } }));
  }

  #put(line) {
    // what is said in one turn of the loop goes out in one write
    if (this.#out.length === 0) setImmediate(() => this.flush());
    this.#out.push(line);
  }

  /** Writes what was said since the last turn of the loop. */
  flush() {
    if (this.#out.length > 0) this.#write(this.#out.splice(0).join(""));
  }

  /** The other side is gone: what was asked of it fails, what it asked is cancelled. */
  close(reason) {
    if (this.#closed) return;
    this.#closed = reason;
    for (const { reject } of this.#calls.values()) reject(new RpcError(FAILED, reason));
    this.#calls.clear();
    for (const { resolve } of this.#queue.splice(0)) resolve();
    for (const abort of this.#served.values()) abort.abort(new RpcError(CANCELLED, reason));
  }
}

/** What the promise gives, or the signal's reason when that comes first. */
export function unlessAborted(signal, promise) {
  return new Promise((resolve, reject) => {
    const end = () => reject(signal.reason);
    if (signal.aborted) end();
    signal.addEventListener("abort", end, { once: true });
    Promise.resolve(promise)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", end));
  });
}

/** What the promise gives, or the error that `late` makes when it takes longer. */
export function within(milliseconds, late, promise) {
  let timer;
  const over = new Promise((_, reject) => {
    timer = setTimeout(() => reject(late()), Math.min(milliseconds, LONGEST_TIMER));
  });
  return Promise.race([promise, over]).finally(() => clearTimeout(timer));
}

let guarded;

/**
 * Takes standard input and output away: what anybody reads from then on is empty, and what anybody prints, a child
 * too, goes to standard error. Gives the descriptors of the wire; does it once.
 */
export function guard() {
  guarded ??= takeAway();
  return guarded;
}

function takeAway() {
  let wire;
  try {
    wire = { input: fs.openSync("/dev/fd/0", "r"), output: fs.openSync("/dev/fd/1", "w") };
  } catch {
    // sockets cannot be opened anew: what is printed by name at least does not reach the wire
    const { stdout } = process;
    printToLog();
    return { input: 0, write: (text) => stdout.write(text) };
  }
  replace(0, "/dev/null", "r");
  try {
    replace(1, "/dev/fd/2", "a");
  } catch {
    replace(1, "/dev/null", "w");
    printToLog();
  }
  return wire;
}

function printToLog() {
  const { stderr } = process;
  Object.defineProperty(process, "stdout", { configurable: true, get: () => stderr });
}

/** Puts a file where a standard one was: the lowest free number is taken. */
function replace(number, path, flags) {
  const file = fs.openSync(path, flags);
  fs.closeSync(number);
  const again = fs.openSync(path, flags);
  fs.closeSync(file);
  if (again !== number) throw new Error(`descriptor ${number} could not be taken`);
}

/** Opens the guarded wire: `feed` is given what is read, `end` is called when nobody is there any more. */
export function openWire(feed, end) {
  const { input, output, write } = guard();
  const reader = new net.Socket({ fd: input, readable: true, writable: false });
  reader.on("data", feed).on("end", end).on("error", end);
  if (write) return { write, backlog: () => 0, close: () => reader.destroy(), flushed: async () => {} };
  const writer = new net.Socket({ fd: output, readable: false, writable: true });
  writer.on("error", end);
  return {
    write: (text) => writer.write(text),
    backlog: () => writer.writableLength,
    close: () => reader.destroy(),
    flushed: () => new Promise((resolve) => writer.end(resolve).once("error", resolve)),
  };
}
