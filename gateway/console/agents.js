/** The agents: what they do, what they cost now, and how load, price and rating went in the last hour. */

import { ask, now } from "./api.js";
import { empty, framed, gathered, h, looking, money, s, show } from "./dom.js";

const HOUR_MS = 3_600_000;
const AHEAD_MS = 60_000; // what is later was noted by another clock
const KEPT = "bazaar.hour";
const MOST = 120;
const CHARTS = [["load", "load", 10], ["price", "price", null], ["rating", "rating", 5]];

export class Market {
  constructor() {
    this.agents = [];
    this.hour = read();
    this.list = h("div", {});
    this.element = h("section", { "aria-labelledby": "agents-title" },
      h("h2", { id: "agents-title", tabindex: -1 }, "Agents"),
      h("p", { class: "note" }, "Charts: the last hour, as far as this browser heard of it."), this.list);
    this.draw = framed(() => this.#draw());
    this.look = gathered(() => this.open(), 500);
  }

  /** An agent's name; its id while it is not known. */
  name(id) { return this.agents.find((agent) => agent.id === id)?.name ?? id; }

  /** Another account may see others. */
  clear() {
    [this.agents, this.hour] = [[], {}];
    keep(this.hour);
    show(this.list);
  }

  async open() {
    if (!this.list.hasChildNodes()) show(this.list, looking());
    try {
      this.agents = await ask("/api/agents?limit=500");
      for (const agent of this.agents) this.#note(agent.id, now(), [agent.load, agent.dynamicPrice, agent.rating]);
      keep(this.hour);
      this.draw();
    } catch (error) {
      if (!this.agents.length) show(this.list, h("p", { class: "wrong", role: "alert" }, error.message));
    }
  }

  /** What an event says of agents at once; the rest is asked for, once for many events. */
  heard(event) {
    const agent = this.agents.find((one) => one.id === event.data?.agentId);
    if (event.type === "agent.repriced") {
      const [load, price] = [event.data.load, Number(event.data.dynamicPrice)];
      this.#note(event.data.agentId, Date.parse(event.time), [load, price, null]);
      if (agent) Object.assign(agent, { load, dynamicPrice: price });
      this.look();
      this.draw();
    } else if (event.type.startsWith("agent.") || event.type === "payment.recorded" || event.type === "step.failed") this.look();
  }

  #note(id, at, values) {
    const points = (this.hour[id] = (this.hour[id] ?? []).filter((point) => point[0] < now() + AHEAD_MS));
    if (points.some((point) => point[0] === at)) return; // told again
    points.push([at, ...values]);
    points.sort((one, other) => one[0] - other[0]);
    while (points.length > MOST || points[0]?.[0] < now() - HOUR_MS) points.shift();
  }

  #draw() {
    if (!this.element.isConnected) return;
    show(this.list, this.agents.length ? h("ul", { class: "agents" }, this.agents.map((agent) => this.#agent(agent)))
      : empty("No agent is listed yet. ", h("code", {}, "bazaar new-agent hello"), " writes one; docs/agents.md says how it is listed."));
  }

  #agent(agent) {
    const stands = agent.state ?? (agent.availability ? "available" : "away");
    const well = agent.availability && (agent.state ?? "active") === "active";
    return h("li", {},
      h("h3", {}, agent.name, " ", h("span", { class: `badge ${well ? "ok" : "wrong"}` }, agent.availability ? (agent.state ? stands : "available") : "away")),
      h("p", {}, agent.description),
      h("p", { class: "skills" }, agent.skills.map((skill) => h("span", { class: "badge" }, skill)),
        agent.negotiable ? h("span", { class: "badge" }, "price can be negotiated") : null),
      h("dl", {}, fact("price", `${money(agent.dynamicPrice)}`, agent.dynamicPrice > agent.basePrice ? ` (idle ${money(agent.basePrice)})` : ""),
        fact("load", `${agent.load}/10`), fact("rating", agent.rating.toFixed(2)), fact("jobs", agent.jobsCompleted),
        fact("takes", agent.avgResponseTime ? `${agent.avgResponseTime} ms` : "—")),
      h("div", { class: "charts" }, CHARTS.map(([word, label, top], at) =>
        chart(label, (this.hour[agent.id] ?? []).filter((point) => point[at + 1] != null).map((point) => [point[0], point[at + 1]]), top))));
  }
}

const fact = (word, ...text) => h("div", {}, h("dt", {}, word), h("dd", {}, text));

/** A small chart of [time, value], up to the last hour; steps, since a value holds until the next. */
function chart(label, points, top) {
  const until = now();
  const most = top ?? (Math.max(...points.map(([, value]) => value), 0) * 1.2 || 1);
  const since = Math.min(points[0]?.[0] ?? until, until - 60_000);
  const x = (at) => Math.min(100 * ((at - since) / (until - since)), 96); // what begins now is to be seen
  const y = (value) => 24 - 22 * (value / most);
  const path = points.map(([at, value], n) => `${n ? `H${x(at).toFixed(1)}V` : `M${x(at).toFixed(1)} `}${y(value).toFixed(1)}`).join("");
  const last = points.at(-1)?.[1];
  return h("figure", {}, s("svg", { viewBox: "0 0 100 26", class: "chart", role: "img", preserveAspectRatio: "none", "aria-label": `${label}: now ${last ?? "unknown"}, ${Math.round((until - since) / 60_000)} min` },
    path ? s("path", { d: `${path}H100` }) : null), h("figcaption", {}, label));
}

function read() {
  try { return JSON.parse(localStorage.getItem(KEPT)) ?? {}; } catch { return {}; }
}

function keep(hour) {
  try { localStorage.setItem(KEPT, JSON.stringify(hour)); } catch { /* full: charts begin anew */ }
}
