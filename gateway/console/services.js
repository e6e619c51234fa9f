/** The services and whether each answers. Asked when it is looked at, and when the stream says so. */

import { ask } from "./api.js";
import { h, looking, show } from "./dom.js";

export class Services {
  constructor() {
    this.body = h("div", { "aria-live": "polite" });
    this.more = h("span", {});
    this.element = h("section", { "aria-labelledby": "services-title" },
      h("h2", { id: "services-title", tabindex: -1 }, "Services"), this.body,
      h("p", {}, h("button", { type: "button", onclick: () => this.open() }, "Look again")),
      h("p", { class: "note" }, "More: ", h("a", { href: "/docs" }, "the HTTP API"), ", ", h("a", { href: "/docs/events" }, "the messages on the bus"),
        ", ", h("a", { href: "#/letters" }, "dead letters"), " (an administrator's)", this.more, "."));
  }

  async open() {
    if (!this.body.hasChildNodes()) show(this.body, looking());
    try {
      const health = await ask("/health");
      const { dashboards } = health.services.gateway?.details ?? {};
      show(this.more, /^https?:/.test(dashboards) ? [", ", h("a", { href: dashboards, rel: "noreferrer" }, "dashboards")] : null);
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
