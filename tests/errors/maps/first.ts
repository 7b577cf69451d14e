import { pay } from "./pay";

Object.assign(globalThis, { pay });
