/** The services and whether each answers. Asked when it is looked at, and when the stream says so. */

import { ask } from "./api.js";
import { h, show } from "./dom.js";

export class Services {
  constructor() {
    this.body = h("div", { "aria-live": "polite" });
    this.element = h("section", { "aria-labelledby": "services-title" },
      h("h2", { id: "services-title", tabindex: -1 }, "Services"), this.body,
      h("p", {}, h("button", { type: "button", onclick: () => this.open() }, "Look again")),
      h("p", { class: "note" }, "More: ", h("a", { href: "/docs" }, "the HTTP API"), ", ", h("a", { href: "/docs/events" }, "the messages on the bus"),
        ". Dead letters are an operator's: ", h("code", {}, "bazaar dead-letters list"), "."));
  }

  async open() {
    try {
      const health = await ask("/health");
      show(this.body, h("p", {}, h("span", { class: `badge ${health.status === "ok" ? "ok" : "wrong"}` }, health.status), ` AgentBazaar ${health.version}`),
        h("ul", { class: "services" }, Object.entries(health.services).map(([name, one]) =>
          h("li", {}, h("b", {}, name), " ", h("span", { class: `badge ${one.status === "up" ? "ok" : "wrong"}` }, one.status),
            one.ms == null ? null : ` ${one.ms} ms`, one.detail ? ` ${one.detail}` : null,
            Object.entries(one.details ?? {}).map(([what, text]) => h("div", { class: "note" }, `${what}: ${text}`))))));
    } catch (error) {
      show(this.body, h("p", { class: "wrong", role: "alert" }, error.message));
    }
  }
}
