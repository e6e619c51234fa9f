/** One task: what happened in which service, what each step gave, where its money went. A link to share. */

import { ask } from "./api.js";
import { moneyOf } from "./bill.js";
import { empty, gathered, h, long, looking, show } from "./dom.js";
import { Story } from "./story.js";
import { eventTable, timeline } from "./timeline.js";

export class Task {
  constructor(market) {
    this.market = market;
    this.title = h("h2", { id: "task-title", tabindex: -1 }, "Task");
    [this.head, this.picture, this.steps, this.sums, this.events] = Array.from({ length: 5 }, () => h("div", {}));
    this.element = h("section", { "aria-labelledby": "task-title" }, this.title, this.head, this.picture, this.steps, this.sums, this.events);
    this.draw = gathered(() => this.#draw(), 100);
    this.look = gathered(() => this.#look(), 400);
  }

  async open(id) {
    this.id = id;
    this.story = new Story();
    for (const part of [this.head, this.picture, this.steps, this.sums, this.events]) show(part);
    show(this.head, looking());
    await this.#look();
  }

  /** An event of this task; they come from its beginning. */
  heard(event) {
    if (event.taskId !== this.id) return;
    this.story.add(event);
    this.draw();
    if (/^(task|step|payment|hold)\./.test(event.type)) this.look();
  }

  async #look() {
    const { id } = this;
    try {
      const [task, steps] = await Promise.all([ask(`/api/tasks/${encodeURIComponent(id)}`), ask(`/api/tasks/${encodeURIComponent(id)}/steps?limit=500`)]);
      if (id !== this.id) return;
      this.story.over = task.status === "completed" || task.status === "failed";
      const copied = h("span", { role: "status" });
      const copy = () => navigator.clipboard?.writeText(location.href).then(() => show(copied, " Copied."), () => show(copied, ` ${location.href}`));
      show(this.head, long(task.userQuery, "The wish"),
        h("p", {}, h("span", { class: `badge ${task.status}` }, task.status.replace("_", " ")), " ",
          h("button", { type: "button", onclick: copy }, "Copy the link"), copied));
      show(this.steps, h("h3", {}, "Steps"), steps.length ? steps.map((step) => this.#step(step)) : empty("No agent was called for this task."));
      show(this.sums, await moneyOf(task));
      this.draw();
    } catch (error) {
      if (id === this.id) show(this.head, h("p", { class: "wrong", role: "alert" }, error.status === 404 ? "There is no such task in this account." : error.message));
    }
  }

  #step(step) {
    return h("article", { class: `step ${step.status}` },
      h("h4", {}, `${step.subtaskType} by ${this.market.name(step.agentId)}`, " ", h("span", { class: `badge ${step.status}` }, step.status.replace("_", " "))),
      step.error ? h("p", { class: "wrong" }, step.error) : null, step.result ? long(step.result, "Result") : null);
  }

  #draw() {
    const name = (id) => this.market.name(id);
    show(this.picture, this.story.events.length ? timeline(this.story, name) : empty("Its events are kept for 30 days; there are none now."));
    show(this.events, h("h3", {}, "Events"), eventTable(this.story, name));
  }
}
