"use strict";
// What the links in messages lead to: `#/alerts?receiver=…&filter=…` and `#/silences/new?filter=…`, as Alertmanager's
// own pages are addressed. All that comes from elsewhere is written as text, never as HTML.
(() => {
  const MOST = 500;
  let turn = 0;
  const at = (id) => document.getElementById(id);
  const base = location.origin + document.body.dataset.prefix;

  // `{a="b",c=~"d,e"}` or one matcher by itself, cut at the commas that stand in no quotes
  const matchers = (text) => {
    const bare = text.trim().replace(/^\{(.*)\}$/s, "$1");
    const all = [];
    let one = "", quoted = false, escaped = false;
    for (const char of bare) {
      if (char === "," && !quoted) {
        all.push(one);
        one = "";
        continue;
      }
      if (char === '"' && !escaped) quoted = !quoted;
      escaped = char === "\\" && !escaped;
      one += char;
    }
    all.push(one);
    return all.map((it) => it.trim()).filter((it) => it !== "");
  };

  // as one word of a shell
  const word = (text) => "'" + text.replace(/'/g, "'\\''") + "'";

  const add = (parent, name, text) => {
    const node = document.createElement(name);
    node.textContent = text;
    parent.appendChild(node);
    return node;
  };

  const begin = (title, note) => {
    at("title").textContent = title;
    at("note").textContent = note;
    at("list").replaceChildren();
    at("entry").hidden = true;
    at("view").hidden = false;
  };

  const silence = (asked) => {
    const wanted = asked.getAll("filter").flatMap(matchers);
    if (wanted.length === 0 || wanted.some((it) => /[\u0000-\u001f\u007f-\u009f]/.test(it))) {
      begin("A new silence", "This link names no matchers that a command line could hold.");
      return;
    }
    begin("A new silence", "There is no form for it yet. Either of these makes it; set the time and the comment:");
    const words = wanted.map(word).join(" ");
    add(add(at("list"), "li", ""), "code",
      `amtool silence add --alertmanager.url=${word(base)} --duration=2h --comment='…' -- ${words}`);
    add(add(at("list"), "li", ""), "code",
      `nightbell silence add --server ${word(base)} --for 2h --comment '…' -- ${words}`);
  };

  const show = (alert) => {
    const { alertname, ...others } = alert.labels;
    const item = add(at("list"), "li", "");
    add(item, "strong", alertname || "(no alertname)");
    const rest = Object.entries(others).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
    add(item, "span", ` ${alert.status.state}, since ${alert.startsAt}: ${rest.join(", ")}`);
    const said = Object.entries(alert.annotations).map(([name, value]) => `${name}: ${value}`);
    said.forEach((text) => add(item, "div", text));
    if (/^https?:\/\//i.test(alert.generatorURL || "")) {
      const link = add(item, "a", "Where it comes from");
      link.href = alert.generatorURL;
      link.rel = "noopener noreferrer";
    }
  };

  const alerts = async (asked) => {
    const mine = turn;
    const query = new URLSearchParams();
    asked.getAll("filter").flatMap(matchers).forEach((it) => query.append("filter", it));
    for (const name of ["receiver", "silenced", "inhibited", "active"]) {
      if (asked.get(name)) query.set(name, asked.get(name));
    }
    const which = query.toString() === "" ? "All alerts" : `Alerts with ${decodeURIComponent(query)}`;
    begin(which, "Asking …");
    const token = at("token").value.trim();
    const headers = token === "" ? {} : { Authorization: `Bearer ${token}` };
    try {
      const answer = await fetch(`${base}/api/v2/alerts?${query}`, { headers });
      const found = answer.ok ? await answer.json() : await answer.text();
      // another link may have been followed meanwhile
      if (mine !== turn) return;
      if (answer.status === 401) {
        at("note").textContent = "Your browser is not on the machine of this server, or its address names another: " +
          "a token with the scope `read` is needed (nightbell token create). It is not kept.";
        at("entry").hidden = false;
        return;
      }
      if (!answer.ok) throw new Error(`${answer.status} ${found}`);
      const more = found.length > MOST ? `, of which these are the first ${MOST}` : "";
      at("note").textContent = found.length === 0 ? "There are none now." : `${found.length} now${more}.`;
      found.slice(0, MOST).forEach(show);
    } catch (error) {
      if (mine === turn) at("note").textContent = `They could not be had: ${error.message}`;
    }
  };

  const look = () => {
    turn += 1;
    const [path, query] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
    const asked = new URLSearchParams(query || "");
    if (path === "alerts") return alerts(asked);
    if (path === "silences/new") return silence(asked);
    at("view").hidden = true;
  };

  at("entry").addEventListener("submit", (event) => {
    event.preventDefault();
    look();
  });
  addEventListener("hashchange", look);
  look();
})();
