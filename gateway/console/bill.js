/** What a wish cost: the bill under an answer, and the money of a task as a picture that adds up. */

import { ask } from "./api.js";
import { empty, h, money, s, when } from "./dom.js";

/** The bill of a message; nothing when nothing was charged. */
export function bill(message) {
  const found = message?.costBreakdown;
  if (!found) return null;
  const rows = found.subtasks.map((line) => h("tr", {}, h("td", {}, line.agent), h("td", { class: "number" }, money(line.cost))));
  return h("table", { class: "bill" }, h("caption", {}, "Bill, in BazaarBucks"), h("tbody", {}, rows),
    h("tfoot", {}, h("tr", {}, h("th", { scope: "row" }, "total"), h("td", { class: "number" }, money(found.total)))));
}

/** How a price was negotiated, offer by offer. */
export function negotiation(price) {
  const rounds = price.offers.map((offer) => h("li", {}, `offered ${money(offer.offered)}: `,
    offer.accepted ? "accepted" : offer.counter == null ? "refused" : `${money(offer.counter)} asked instead`));
  return h("div", {}, h("b", {}, price.agentName), price.agreed
    ? ` agreed on ${money(price.price)} instead of ${money(price.listPrice)}` : ` stays at ${money(price.listPrice)}`,
  rounds.length ? h("ol", {}, rounds) : null);
}

const PARTS = [["agents", "to agents"], ["fee", "fee"], ["external", "bought by card"], ["held", "set aside"], ["free", "left of the budget"]];

/** Where the budget of a task is: a bar whose parts add up to it, and the movements behind it. */
export async function moneyOf(task) {
  const [receipt, journal] = await Promise.all([
    ask(`/api/tasks/${task.id}/receipt`), ask(`/api/ledger?account=hold:${task.id}&limit=500`),
  ]);
  // What came back of a refund is in the wallet again, and no part of the total.
  const work = receipt.charged - receipt.fee - receipt.refunded;
  const held = receipt.lines.filter((line) => line.status === "held").reduce((sum, line) => sum + line.held, 0);
  const parts = { agents: Math.max(work, 0), fee: receipt.fee, external: receipt.external, held };
  parts.free = Math.max(task.maxBudget - receipt.total - held, 0);
  const sum = receipt.charged + receipt.external - receipt.refunded;
  const right = Math.abs(sum - receipt.total) < 1e-6 && Math.abs(receipt.total - task.totalCost) < 1e-6;
  return h("section", {}, h("h3", {}, "Money"), picture(parts),
    h("p", { class: right ? "ok" : "pending" },
      `${money(receipt.charged)} charged + ${money(receipt.external)} by card − ${money(receipt.refunded)} refunded = ${money(sum)}; `,
      right ? `the task says ${money(task.totalCost)}: it adds up.` : `the task says ${money(task.totalCost)}; it is still being settled.`),
    journal.length ? movements(journal) : empty("No money was set aside for this task."));
}

function picture(parts) {
  const whole = Object.values(parts).reduce((sum, part) => sum + part, 0) || 1;
  let at = 0;
  const bars = PARTS.map(([name, words]) => {
    const width = (parts[name] / whole) * 700;
    const found = s("rect", { x: at, y: 0, width, height: 26, class: `part-${name}` }, s("title", {}, `${words}: ${money(parts[name])}`));
    at += width;
    return found;
  });
  const words = PARTS.filter(([name]) => parts[name] > 0).map(([name, text]) => `${text} ${money(parts[name])}`);
  return h("figure", {}, s("svg", { viewBox: "0 0 700 26", class: "money", preserveAspectRatio: "none", role: "img", "aria-label": words.join(", ") }, bars),
    h("figcaption", {}, PARTS.filter(([name]) => parts[name] > 0).map(([name, text]) =>
      h("span", { class: `key-${name}` }, `${text} ${money(parts[name])}`))));
}

/** Lines of a statement, oldest first, with the sum so far; `end` is what they come to. */
export function movements(entries, end = null) {
  let sum = end === null ? 0 : end - entries.reduce((all, entry) => all + entry.amount, 0);
  const rows = [...entries].reverse().map((entry) => {
    sum += entry.amount;
    return h("tr", {}, h("td", {}, when(entry.createdAt)), h("td", {}, entry.kind),
      h("td", { class: `number ${entry.amount < 0 ? "out" : "in"}` }, money(entry.amount)), h("td", { class: "number" }, money(sum)));
  });
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Movements" },
    h("table", {}, h("thead", {}, h("tr", {}, ["time", "movement", "amount", "sum"].map((word, at) => h("th", { scope: "col", class: at > 1 && "number" }, word)))),
      h("tbody", {}, rows)));
}
