// @ts-check
// A board: cards for messages, and a page of what is open.
import { Plugin, delivered, rejected, retry } from "#nightbell-plugin";

export const plugin = new Plugin();

plugin.destination("board", {}, async (delivery, signal) => {
  const { url, column } = delivery.settings;
  const { title, severity, link } = delivery.message;
  const answer = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": delivery.key },
    body: JSON.stringify({ column, title, severity, link }),
    signal,
  });
  const text = await answer.text();
  if (answer.ok) return delivered(text, { status: answer.status });
  // what it does not understand now it will not understand later
  const later = answer.status === 408 || answer.status === 429 || answer.status >= 500;
  const why = `the board answered ${answer.status}`;
  return later ? retry(why, { status: answer.status, text }) : rejected(why, { status: answer.status, text });
});

// the same may come twice, and after a restart the page is still there
plugin.subscription("open", { topics: ["incident.*"] }, async (events) => {
  for (const { topic, data } of events) {
    const key = `open/${data.id}`;
    if (topic === "incident.resolved") await plugin.host.kv.delete(key);
    else if (data.state !== "resolved") await plugin.host.kv.set(key, { title: data.title, state: data.state });
  }
});

plugin.route("/open", { auth: "none" }, async () => {
  const keys = await plugin.host.kv.list("open/");
  const all = await Promise.all(keys.map((key) => plugin.host.kv.get(key)));
  return { status: 200, body: all.filter(Boolean) };
});

console.log("a board is there"); // standard output is the plugin's log
// its test imports it without a hub
if (process.env.NIGHTBELL_PLUGIN) plugin.run();
