// Runs a built file as if it came from a URL, raises an error in it, and writes what a client would report.
const fs = require("node:fs");
const vm = require("node:vm");

const [file, url, release, dist] = process.argv.slice(2);
vm.runInThisContext(fs.readFileSync(file, "utf8"), { filename: url });

function frames(stack) {
  const read = /^\s+at (?:(.*?) \()?(http[^)]*):(\d+):(\d+)\)?$/;
  const lines = stack.split("\n").map((line) => read.exec(line));
  return lines.filter(Boolean).reverse().map(([, name, place, line, column]) => ({
    filename: place, abs_path: place, function: name ?? "?", lineno: Number(line), colno: Number(column), in_app: true,
  }));
}

try {
  pay({ id: 17 });
} catch (error) {
  const images = Object.entries(globalThis._sentryDebugIds ?? {}).map(([, id]) => ({
    type: "sourcemap", code_file: url, debug_id: id,
  }));
  console.log(JSON.stringify({
    platform: "javascript", release, dist, debug_meta: { images },
    exception: { values: [{ type: error.name, value: error.message, stacktrace: { frames: frames(error.stack) } }] },
  }));
}
