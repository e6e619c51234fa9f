/** All events as they come: up to 5,000 lines, the newest first; only those in sight are laid out. */

import { empty, framed, h } from "./dom.js";
import { inWords, serviceOf } from "./story.js";

const MOST = 5000;

export class Log {
  constructor(market) {
    this.market = market;
    this.waiting = [];
    this.list = h("ol", { class: "log", tabindex: 0, "aria-label": "Events, newest first" });
    this.none = empty("Nothing has happened since this page was opened. ", h("a", { href: "#/" }, "Ask for something"), ", and see it pass here.");
    this.element = h("section", { "aria-labelledby": "log-title" }, h("h2", { id: "log-title", tabindex: -1 }, "Events"), this.none, this.list);
    this.draw = framed(() => this.#draw());
  }

  open() { this.draw(); }

  heard(event) {
    if (event.type === "turn.streamed") return;
    this.waiting.push(event);
    if (this.waiting.length > MOST) this.waiting.shift();
    if (this.element.isConnected) this.draw();
  }

  clear() { this.waiting = []; this.list.replaceChildren(); this.none.hidden = false; }

  #draw() {
    if (!this.waiting.length) return;
    this.none.hidden = true;
    const rows = document.createDocumentFragment();
    for (const event of this.waiting.splice(0)) rows.prepend(this.#row(event));
    this.list.prepend(rows);
    while (this.list.childElementCount > MOST) this.list.lastElementChild.remove();
  }

  #row(event) {
    const words = inWords(event, (id) => this.market.name(id));
    return h("li", {}, h("time", { datetime: event.time }, new Date(event.time).toLocaleTimeString()), " ",
      h("span", { class: serviceOf(event.type) }, event.type), " ", words, " ",
      event.taskId ? h("a", { href: `#/task/${event.taskId}` }, "task") : null);
  }
}
