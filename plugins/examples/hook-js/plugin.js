// Posts what happens to a URL.
import { ask, log } from "nightbell:plugin/host@1.0.0";

let settings = {};

export const guest = {
  hello(params) {
    const { plugin } = JSON.parse(params);
    log("debug", `hello, I am ${plugin.id}`);
    return JSON.stringify({ protocol: 1, sdk: "JavaScript, by hand", features: [] });
  },

  configure(params) {
    const asked = JSON.parse(params);
    const errors = [];
    if (asked.settings.prefix?.length > 20) {
      errors.push({ path: "prefix", message: "must have at most 20 characters" });
    }
    if (errors.length === 0 && !asked.dry_run) settings = asked.settings;
    return JSON.stringify({ errors });
  },
};

export const destinations = {
  deliver(params) {
    const { deliveries } = JSON.parse(params);
    return JSON.stringify({ outcomes: deliveries.map((it) => ({ id: it.id, ...post(it) })) });
  },
};

function post({ key, kind, settings: place, message }) {
  if (kind !== "hook_js") return { outcome: "rejected", reason: "there is no such kind" };
  const request = {
    method: "POST",
    url: place.url,
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify({ text: (settings.prefix ?? "") + message.title }),
  };
  let answer;
  try {
    answer = JSON.parse(ask("fetch", JSON.stringify(request)));
  } catch (error) {
    // what the host says, such as that the manifest does not permit it
    return { outcome: "retry", reason: String(error.payload ?? error) };
  }
  const { status, body: text } = answer;
  if (status < 300) return { outcome: "delivered", status, text };
  return { outcome: status < 500 ? "rejected" : "retry", reason: `HTTP ${status}`, status, text };
}
