/** All events as they come: up to 5,000 lines, the newest first. Only those in sight are there. */

import { empty, framed, h, show, when } from "./dom.js";
import { inWords, serviceOf } from "./story.js";

const MOST = 5000;
const ROW = 28; // pixels, as in style.css
const SPARE = 10;

export class Log {
  constructor(market) {
    this.market = market;
    this.events = [];
    this.waiting = [];
    this.draw = framed(() => this.#draw());
    this.rows = h("ol", {});
    this.room = h("div", {}, this.rows);
    this.list = h("div", { class: "log", tabindex: 0, role: "region", "aria-label": "Events, newest first", onscroll: this.draw }, this.room);
    this.none = empty("Nothing has happened lately. ", h("a", { href: "#/" }, "Ask for something"), ", and see it pass here.");
    this.element = h("section", { "aria-labelledby": "log-title" }, h("h2", { id: "log-title", tabindex: -1 }, "Events"), this.none, this.list);
  }

  open() { this.draw(); }

  heard(event) {
    if (event.type === "turn.streamed") return;
    this.waiting.push(event);
    if (this.waiting.length > MOST) this.waiting.shift();
    if (this.element.isConnected) this.draw();
  }

  clear() { this.events = []; this.waiting = []; this.draw(); }

  #draw() {
    const fresh = this.waiting.splice(0).reverse();
    this.events = fresh.concat(this.events).slice(0, MOST);
    this.none.hidden = this.events.length > 0;
    this.room.style.height = `${this.events.length * ROW}px`;
    if (this.list.scrollTop > 0 && fresh.length) this.list.scrollTop += fresh.length * ROW; // what is read stays
    const first = Math.max(Math.floor(this.list.scrollTop / ROW) - SPARE, 0);
    const last = first + Math.ceil(this.list.clientHeight / ROW) + 2 * SPARE;
    this.rows.style.transform = `translateY(${first * ROW}px)`;
    show(this.rows, this.events.slice(first, last).map((event) => this.#row(event)));
  }

  #row(event) {
    const words = inWords(event, (id) => this.market.name(id));
    return h("li", { title: words }, h("time", { datetime: event.time }, when(event.time)), " ",
      h("span", { class: serviceOf(event) }, event.type), " ",
      event.taskId ? h("a", { href: `#/task/${event.taskId}` }, "task") : null, " ", words);
  }
}
