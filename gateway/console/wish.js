/** The first view: say what you want done, and watch it. */

import { Refused, ask, page } from "./api.js";
import { bill, negotiation } from "./bill.js";
import { framed, further, h, long, looking, money, show } from "./dom.js";
import { Story, inWords } from "./story.js";
import { stepList, timeline } from "./timeline.js";

const TRY = [
  "Translate 'hello' to Spanish",
  "Search for solar energy and summarize it",
  "Negotiate: The house is big. Many people come in summer.",
  "What agents are available?",
];
const AGAIN_MS = 1500;
const TRIES = 20;

export class Wish {
  constructor(market) {
    this.market = market;
    this.story = null;
    this.goesOn = null;
    this.past = h("div", { class: "past" });
    this.now = h("div", { class: "now" });
    this.status = h("p", { class: "note", role: "status" });
    this.draw = framed(() => this.#draw());
    this.element = h("section", { "aria-labelledby": "ask-title" },
      h("h2", { id: "ask-title", tabindex: -1 }, "Ask HubChat"), this.past, this.now, this.#form());
  }

  #form() {
    this.text = h("textarea", { id: "wish", rows: 2, maxlength: 200000, required: true, placeholder: TRY[0] });
    this.budget = h("input", { id: "budget", inputmode: "decimal", pattern: "[0-9]+([.][0-9]{1,6})?", size: 6, placeholder: "1" });
    this.send = h("button", { type: "submit", class: "main" }, "Ask");
    this.stop = h("button", { type: "button", hidden: true, onclick: () => this.#cancel() }, "Cancel");
    this.on = h("p", { class: "goes-on", hidden: true });
    this.text.addEventListener("keydown", (press) => {
      if (press.key === "Enter" && !press.shiftKey && !press.isComposing) { press.preventDefault(); this.form.requestSubmit(); }
    });
    const submit = (event) => { event.preventDefault(); this.ask(this.text.value, this.budget.value); };
    this.form = h("form", { class: "ask", onsubmit: submit },
      this.on, h("label", { for: "wish" }, "What do you want done?"), this.text,
      h("div", { class: "row" }, h("label", { for: "budget" }, "Budget"), this.budget, h("span", {}, "BazaarBucks"), this.status, this.stop, this.send));
    return this.form;
  }

  /** Read the conversation so far. */
  async open() {
    if (!this.past.hasChildNodes()) show(this.past, looking());
    try {
      const said = await page("/api/messages?limit=20");
      if (this.story) { show(this.past); return; } // asked meanwhile: what is said now is in it already
      if (said.items.length) { show(this.past); this.#before(said); } else show(this.past, this.#firstVisit());
    } catch (error) {
      show(this.past, h("p", { class: "wrong", role: "alert" }, error.message));
    }
  }

  /** Put what was said before above the rest, and the way to what was said before that above it. */
  #before({ items, next }) {
    this.past.querySelector(".further")?.remove();
    const more = h("div", { class: "further" }, further("What was said before", next, page, (older) => this.#before(older)));
    this.past.prepend(more, ...items.map((message) => this.#message(message)));
  }

  #firstVisit() {
    return h("div", { class: "empty" },
      h("p", {}, "Nobody has asked anything yet. Agents do the work, and each has its price. Try one of these:"),
      h("ul", { class: "try" }, TRY.map((words) => h("li", {},
        h("button", { type: "button", onclick: () => { this.text.value = words; this.text.focus(); this.form.requestSubmit(); } }, words)))));
  }

  #message(message) {
    return h("article", { class: message.role },
      h("h3", {}, message.role === "user" ? "You" : "HubChat"), long(message.content, "Message"), bill(message), this.#links(message));
  }

  #links(message) {
    if (message.role === "user" || !message.taskId) return null;
    return h("p", { class: "links" }, h("a", { href: `#/task/${message.taskId}` }, "How it was done"), " ",
      h("button", { type: "button", onclick: () => this.goOn(message.taskId) }, "Go on with it"));
  }

  /** Have the next question go on with a task; with none when null. */
  goOn(taskId) {
    this.goesOn = taskId;
    this.on.hidden = !taskId;
    if (!taskId) return;
    show(this.on, "Goes on with the last answer; the budget is of all of it. ",
      h("button", { type: "button", onclick: () => this.goOn(null) }, "Begin anew"));
    this.text.focus();
  }

  /** Say it, and follow what becomes of it. */
  async ask(content, budget) {
    if (!content.trim() || (this.story && !this.story.over)) return;
    this.#settle();
    const story = this.story = new Story(content);
    this.text.value = "";
    this.send.disabled = true;
    this.follow = true;
    this.#say("Asking…"); // At once, not with the next frame: "Answered." was of the one before.
    this.draw();
    const body = { content, ...(budget ? { maxBudget: budget } : {}), ...(this.goesOn ? { taskId: this.goesOn } : {}) };
    const again = { "Idempotency-Key": crypto.randomUUID?.() ?? `page-${Date.now()}-${Math.random()}` };
    for (let tries = 1; !story.over; tries += 1) {
      try {
        const answer = await ask("/api/hubchat/message", { method: "POST", body, headers: again });
        story.turnId ??= answer.turnId;
        story.taskId ??= answer.taskId;
        if (answer.done) { story.message = answer.message; story.over = true; }
        else await wait();
      } catch (error) {
        if (!(error instanceof Refused) || tries === TRIES || ![0, 409, 500, 502, 503, 504].includes(error.status)) {
          story.wrong = error.message;
          story.over = true;
        } else {
          story.waits = error.message;
          this.draw();
          await wait();
        }
      }
    }
    this.#end();
  }

  /** An event of the stream; true when it is of the wish that is under way. */
  heard(event) {
    if (!this.story || !this.story.concerns(event)) return false;
    this.story.add(event);
    this.story.waits = "";
    if (this.story.over) this.#end();
    this.draw();
    return true;
  }

  #end() {
    this.send.disabled = false;
    this.draw();
  }

  /** What was done last becomes part of the conversation. */
  #settle() {
    if (!this.story) this.past.querySelector(".empty")?.remove();
    else this.past.append(...this.now.childNodes);
  }

  async #cancel() {
    const { turnId } = this.story;
    if (turnId) await ask(`/api/turns/${turnId}/cancel`, { method: "POST" }).catch((error) => { this.story.waits = error.message; });
    this.draw();
  }

  #draw() {
    const { story } = this;
    if (!story) return;
    const name = (id) => this.market.name(id);
    clearTimeout(this.ticking);
    if (!story.over) this.ticking = setTimeout(this.draw, 200);
    this.stop.hidden = story.over;
    this.#say(story.over ? (story.message ? "Answered." : "No answer.") : story.waits || `Working… ${inWords(story.events.at(-1) ?? { type: "" }, name)}`.slice(0, 90));
    const near = this.follow || innerHeight + scrollY > document.body.scrollHeight - 80;
    this.follow = false;
    show(this.now,
      h("article", { class: "user" }, h("h3", {}, "You"), long(story.question, "Question")),
      h("article", { class: "assistant" }, h("h3", {}, "HubChat"),
        story.plan.length ? h("p", { class: "plan" }, h("b", {}, "Plan: "), story.plan.map((step) => `${step.skill} by ${name(step.agentId)}`).join(", ")) : null,
        story.prices.map(negotiation), timeline(story, name), stepList(story, name),
        story.declined.map((hold) => h("p", { class: "wrong" },
          hold.reason === "budget_exceeded" ? `The budget is reached: ${name(hold.agentId)} asks for ${money(hold.amount)}. Ask again with a larger one.`
            : `The wallet does not cover ${money(hold.amount)} for ${name(hold.agentId)}.`)),
        story.wrong ? h("p", { class: "wrong", role: "alert" }, story.wrong) : null,
        story.message ? long(story.message.content, "Answer") : story.said ? long(story.said, "Answer so far") : null,
        bill(story.message), story.message ? this.#links(story.message) : null));
    if (near && this.element.isConnected) scrollTo(0, document.body.scrollHeight);
  }

  #say(words) {
    if (this.status.textContent !== words) show(this.status, words);
  }

  /** Another account: nothing of the one before is left. */
  clear() {
    if (this.story) this.story.over = true;
    this.story = null;
    show(this.now);
    show(this.past);
    this.goOn(null);
    this.send.disabled = false;
    this.stop.hidden = true;
    show(this.status);
  }
}

const wait = () => new Promise((done) => setTimeout(done, AGAIN_MS));
