// the same shop, built with more in it: other names and other places come out
import { pay } from "./pay";

const greet = (name: string) => `Hello ${name}`;
const sum = (numbers: number[]) => numbers.reduce((one, other) => one + other, 0);
Object.assign(globalThis, { greet, sum, hello: () => greet(`you of ${sum([1, 2])}`), pay });
