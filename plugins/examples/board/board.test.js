import assert from "node:assert/strict";
import { createServer } from "node:http";
import test from "node:test";

import { Host } from "#nightbell-plugin/testing";

import { plugin } from "./board.js";

test("cards are posted, and the page shows what is open", async (t) => {
  const cards = [];
  const statuses = [201, 503, 400];
  const server = createServer(async (request, response) => {
    cards.push(JSON.parse((await request.toArray()).join("")));
    response.writeHead(statuses[cards.length - 1]).end("card-1");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const settings = { url: `http://127.0.0.1:${server.address().port}/cards`, column: "inbox" };

  const host = await Host.with(plugin);
  const told = [];
  for (const title of ["one", "two", "three"]) told.push(await host.deliver("board", settings, { title }));
  assert.deepEqual(
    told.map(({ outcome, status }) => [outcome, status]),
    [["delivered", 201], ["retry", 503], ["rejected", 400]],
  );
  assert.equal(told[0].receipt, "card-1");
  assert.equal(cards[0].title, "one");

  const about = (id, state) => ({ data: { id, title: id, state } });
  await host.events("open", { topic: "incident.opened", ...about("a", "open") });
  await host.events("open", { topic: "incident.opened", ...about("b", "open") });
  await host.events("open", { topic: "incident.resolved", ...about("a", "resolved") });
  const page = await host.request("/open");
  assert.deepEqual([page.status, JSON.parse(page.body)], [200, [{ title: "b", state: "open" }]]);
  await host.close();
});
