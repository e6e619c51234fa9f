/** Dead letters, for administrators: which there are, one whole, and one sent again. */

import { ask, page } from "./api.js";
import { empty, further, h, long, looking, show, when } from "./dom.js";

export class Letters {
  constructor() {
    this.body = h("div", {});
    this.said = h("p", { role: "status" });
    this.element = h("section", { "aria-labelledby": "letters-title" },
      h("h2", { id: "letters-title", tabindex: -1 }, "Dead letters"),
      h("p", { class: "note" }, "Messages that were put aside, since no attempt to handle them helped. Send one again once its cause is mended: who has handled it passes over it."),
      this.said, this.body, h("p", {}, h("button", { type: "button", onclick: () => this.open() }, "Look again")));
  }

  clear() { show(this.body); }

  async open() {
    show(this.said);
    show(this.body, looking());
    await this.#look();
  }

  async #look() {
    try {
      const first = await page("/api/dead-letters?limit=50");
      this.list = h("ul", { class: "letters" });
      this.more = h("div", {});
      show(this.body, first.items.length ? [this.list, this.more]
        : empty("There is none. A message becomes one when a service fails at it again and again; ", h("a", { href: "#/services" }, "are the services well"), "?"));
      this.#add(first);
    } catch (error) {
      show(this.body, h("p", { class: "wrong", role: "alert" }, error.status === 403 ? "Dead letters are of all accounts: this needs a key with the scope admin." : error.message));
    }
  }

  #add({ items, next }) {
    this.list.append(...items.map((letter) => this.#letter(letter)));
    show(this.more, further("Older letters", next, page, (older) => this.#add(older)));
  }

  #letter({ number, time, consumer, subject, attempts, error, account }) {
    const whole = h("div", {});
    const name = `dead letter ${number}`;
    return h("li", {}, h("article", { class: "step failed" },
      h("h3", {}, `${number}: ${consumer}`), h("p", { class: "wrong" }, error),
      h("p", { class: "note" }, `${when(time)}, ${attempts} attempts, account ${account ?? "unknown"}`), h("p", { class: "note" }, subject),
      h("p", { class: "row" }, h("button", { type: "button", "aria-label": `Show ${name}`, onclick: () => this.#show(number, whole) }, "Show"),
        h("button", { type: "button", "aria-label": `Send ${name} again`, onclick: (press) => this.#again(number, press.currentTarget) }, "Send again")),
      whole));
  }

  async #show(number, place) {
    try {
      const { headers, data } = await ask(`/api/dead-letters/${number}`);
      show(place, h("dl", {}, Object.entries(headers).map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text)))),
        long(typeof data === "string" ? data : JSON.stringify(data, null, 2), `Body of dead letter ${number}`));
    } catch (error) {
      show(place, h("p", { class: "wrong", role: "alert" }, error.message));
    }
  }

  async #again(number, button) {
    button.disabled = true;
    try {
      const { subject } = await ask(`/api/dead-letters/${number}/replay`, { method: "POST" });
      await this.#look();
      show(this.said, `Sent again to ${subject}.`);
    } catch (error) {
      button.disabled = false;
      show(this.said, error.message);
    }
    this.element.querySelector("h2").focus();
  }
}
