/** A story as a picture: one lane for each service, a bar for each step, time from left to right. */

import { now as clock } from "./api.js";
import { h, money, s } from "./dom.js";
import { SERVICES, inWords, serviceOf } from "./story.js";

const ROWS = 500;
const [LEFT, WIDEST, LANE, BAR] = [96, 700, 22, 22];
const NAME = 14; // characters of an agent's name that there is room for

/** The picture, with its words for who does not see it. */
export function timeline(story, name, now = clock()) {
  const times = story.events.map((event) => Date.parse(event.time));
  if (times.length === 0) return null;
  const width = Math.min(document.querySelector("main").clientWidth, WIDEST); // a phone shows it as large as a desk
  const first = Math.min(...times);
  const last = Math.max(...times, story.over ? 0 : now, first + 50);
  const x = (at) => LEFT + ((at - first) / (last - first)) * (width - LEFT - 12);
  const steps = [...story.steps.values()];
  const height = (SERVICES.length + steps.length) * LANE + 20;
  const words = `${story.events.length} events in ${last - first} ms; ${steps.length} steps`;
  return s("svg", { viewBox: `0 0 ${width} ${height}`, class: "timeline", role: "img", "aria-label": words },
    SERVICES.map((service, lane) => [
      s("text", { x: 0, y: lane * LANE + 15 }, service),
      s("line", { x1: LEFT, x2: width, y1: lane * LANE + 11, y2: lane * LANE + 11 }),
    ]),
    story.events.map((event) => {
      const lane = SERVICES.indexOf(serviceOf(event));
      return lane < 0 ? null : s("circle", { cx: x(Date.parse(event.time)), cy: lane * LANE + 11, r: 4, class: serviceOf(event) },
        s("title", {}, `${event.type} ${inWords(event, name)}`));
    }),
    steps.map((step, row) => bar(step, (SERVICES.length + row) * LANE + 4, x, name, story.over ? last : now)),
    s("text", { x: LEFT, y: height - 3 }, "0 ms"),
    s("text", { x: width - 2, y: height - 3, "text-anchor": "end" }, `${last - first} ms`));
}

function bar(step, y, x, name, now) {
  const [from, to] = [x(step.began ?? step.ended ?? now), x(step.ended ?? now)];
  const who = name(step.agentId);
  return [
    s("text", { x: 0, y: y + 11 }, who.length > NAME ? `${who.slice(0, NAME - 1)}…` : who),
    s("rect", { x: from, y, width: Math.max(to - from, 3), height: BAR - 8, rx: 3, class: `step ${step.status}` },
      s("title", {}, `${who}: ${step.status}`)),
  ];
}

/** The steps as a list: what each did, cost, or failed of. */
export function stepList(story, name) {
  return h("ul", { class: "steps" }, [...story.steps.values()].map((step) =>
    h("li", { class: step.status }, h("b", {}, name(step.agentId)), " ",
      step.status === "done" ? `${money(step.cost)} BazaarBucks, ${step.ended - step.began} ms`
        : step.status === "failed" ? `failed: ${step.error}` : "is at work")));
}

/** All events as lines, with the milliseconds since the first. */
export function eventTable(story, name) {
  const first = Date.parse(story.events[0]?.time ?? 0);
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Events of this task" },
    h("table", {}, h("thead", {}, h("tr", {}, ["ms", "service", "event", ""].map((word) => h("th", { scope: "col" }, word)))),
      h("tbody", {}, story.events.slice(0, ROWS).map((event) => h("tr", {},
        h("td", { class: "number" }, Date.parse(event.time) - first), h("td", { class: serviceOf(event) }, serviceOf(event)),
        h("td", {}, event.type), h("td", {}, inWords(event, name)))))),
    story.events.length > ROWS ? h("p", {}, `${story.events.length - ROWS + story.left} more are not shown.`) : null);
}
