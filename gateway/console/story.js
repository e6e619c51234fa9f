/** What a wish comes to, as its events tell it: the plan, prices, steps, holds, the answer. */

import { money } from "./dom.js";

export const SERVICES = ["chat", "task", "payment", "registry"];
const MOST = 2000;

/** The service that an event comes from, when it is one of those. */
export const serviceOf = ({ service }) => (SERVICES.includes(service) ? service : "other");

/** A line about an event, for people; none about one that is not as it should be. `name` gives an agent's name by its id. */
export function inWords(event, name) {
  try { return words(event, name); } catch { return ""; }
}

function words({ type, data: d = {} }, name) {
  const by = d.agentId ? name(d.agentId) : "";
  switch (type) {
    case "message.posted": return `${d.role}: ${String(d.content).slice(0, 120)}`;
    case "plan.proposed": return d.steps.map((step) => `${step.skill} by ${name(step.agentId)}`).join(", ");
    case "price.negotiated":
      return d.agreed ? `${d.agentName}: ${money(d.price)} instead of ${money(d.listPrice)}` : `${d.agentName}: it stays at ${money(d.listPrice)}`;
    case "step.completed": return `${by}, ${money(Number(d.cost) + Number(d.externalCost))} BazaarBucks, ${d.executionTime} ms`;
    case "step.failed": return `${by}: ${d.error}`;
    case "hold.placed": case "hold.extended": return `${money(d.amount)} set aside for ${by}`;
    case "hold.declined": return `${money(d.amount)} for ${by} refused: ${d.reason === "budget_exceeded" ? "the budget is reached" : "the wallet is empty"}`;
    case "hold.released": return `${money(d.amount)} given back`;
    case "hold.overcharged": return `${by} billed ${money(d.billed)}, and gets ${money(d.paid)}`;
    case "payment.recorded": return `${money(d.amount)} paid to ${by}`;
    case "payment.refunded": return `${money(d.amount)} refunded by ${by}`;
    case "payment.entered": return `${money(d.amount)} entered by hand for ${by}`;
    case "wallet.credited": return `${money(d.amount)} credited`;
    case "stripe_payment.updated": return `${money(d.amount)} by card: ${d.status}`;
    case "payout.requested": case "payout.paid": return money(d.amount);
    case "payout.failed": return `${money(d.amount)}: ${d.note}`;
    case "step.approval_requested": return `${by} waits for a yes to ${money(d.amount)}`;
    case "step.approval_decided": case "dispute.opened": case "dispute.noted": case "dispute.decided": return `${by}: ${d.state ?? d.status}`;
    case "step.progress": return `${by}: ${d.message ?? ""} ${d.percent == null ? "" : `${d.percent} %`}`;
    case "agent.repriced": return `${by} costs ${money(d.dynamicPrice)} at a load of ${d.load}`;
    case "agent.availability_changed": return `${by} ${d.availability ? "answers" : "does not answer"}`;
    case "task.completed": case "task.failed": return `${money(d.totalCost)} in all`;
    default: return by || d.note || "";
  }
}

export class Story {
  constructor(question = "") {
    Object.assign(this, {
      question, turnId: null, taskId: null, events: [], plan: [], prices: [], steps: new Map(),
      declined: [], said: "", round: -1, message: null, over: false, failed: false, left: 0,
    });
  }

  /** Whether an event is of this story; the question's own makes the turn known. */
  concerns(event) {
    if (this.turnId === null && event.type === "message.posted" && event.data.role === "user"
      && event.data.content === this.question) this.turnId = event.data.turnId;
    return this.turnId !== null
      && (event.turnId === this.turnId || event.data?.turnId === this.turnId || (this.taskId !== null && event.taskId === this.taskId));
  }

  add(event) {
    const d = event.data ?? {};
    this.taskId ??= event.taskId ?? d.taskId ?? null;
    if (event.type === "turn.streamed") { this.#speak(d); return; }
    if (this.events.length < MOST) this.events.push(event); else this.left += 1;
    const at = Date.parse(event.time);
    switch (event.type) {
      case "plan.proposed": this.plan = this.plan.concat(d.steps ?? []); break;
      case "price.negotiated": this.prices.push(d); break;
      case "step.started": this.#step(d).began = at; break;
      case "step.completed":
        Object.assign(this.#step(d), { ended: at, status: "done", cost: Number(d.cost) + Number(d.externalCost) });
        this.#step(d).began ??= at - d.executionTime;
        break;
      case "step.failed": Object.assign(this.#step(d), { ended: at, status: "failed", error: d.error, reason: d.reason }); break;
      case "hold.declined": this.declined.push(d); break;
      case "task.failed": this.failed = true; break;
      case "task.completed": this.failed = false; break;
      case "turn.completed": this.message = d.message; this.over = true; break;
      default:
    }
  }

  #step(d) {
    if (!this.steps.has(d.stepId)) this.steps.set(d.stepId, { id: d.stepId, agentId: d.agentId, status: "working" });
    return this.steps.get(d.stepId);
  }

  #speak({ round, offset, text }) {
    if (round !== this.round || offset === 0) { this.round = round; this.said = ""; }
    this.said += text;
  }
}
