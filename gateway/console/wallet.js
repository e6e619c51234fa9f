/** The wallet, its statement, and the tasks that were paid from it. */

import { ask, page } from "./api.js";
import { movements } from "./bill.js";
import { empty, further, gathered, h, looking, money, show } from "./dom.js";

const PAGE = 50;
/** The most that one page of the API holds. */
const MOST = 500;

export class Wallet {
  constructor() {
    this.body = h("div", {});
    this.element = h("section", { "aria-labelledby": "wallet-title" }, h("h2", { id: "wallet-title", tabindex: -1 }, "Wallet"), this.body);
    this.shown = { tasks: PAGE, lines: PAGE };
    this.look = gathered(() => this.open(), 500);
  }

  /** Money moved: look again, when this is being looked at. */
  heard(event) {
    if (this.element.isConnected && /^(hold|payment|wallet|task|stripe_payment)\./.test(event.type)) this.look();
  }

  clear() { show(this.body); this.shown = { tasks: PAGE, lines: PAGE }; }

  async open() {
    if (!this.body.hasChildNodes()) show(this.body, looking());
    try {
      const [wallet, lines, tasks] = await Promise.all([ask("/api/wallet"), page(`/api/ledger?limit=${this.shown.lines}`), page(`/api/tasks?limit=${this.shown.tasks}`)]);
      show(this.body, h("dl", { class: "sums" },
        sum("available", wallet.available), sum("set aside", wallet.held), wallet.owed ? sum("owed", wallet.owed) : null),
      h("h3", {}, "Tasks"), tasks.items.length ? growing(tasks, "Older tasks", taskTable, (many) => { this.shown.tasks = many; }) : empty("No task yet: ", h("a", { href: "#/" }, "ask for something"), "."),
      h("h3", {}, "Last movements"), lines.items.length ? growing(lines, "Older movements", (all) => movements(all, wallet.posted - wallet.owed), (many) => { this.shown.lines = many; }) : empty("No money has moved yet."));
    } catch (error) {
      show(this.body, error.status === 404
        ? empty("This account has no wallet yet. An operator opens one: ", h("code", {}, "bazaar keys wallet ACCOUNT --grant 100"))
        : h("p", { class: "wrong", role: "alert" }, error.message));
    }
  }
}

const sum = (word, amount) => h("div", {}, h("dt", {}, word), h("dd", {}, money(amount)));

/** A list as `drawn` draws it, with a button for the page behind it; `grown` is told how much to show the next time. */
function growing(first, words, drawn, grown) {
  const place = h("div", {});
  const put = ({ items, next }) => show(place, drawn(items), further(words, next, page, (older) => {
    const all = items.concat(older.items);
    grown(Math.min(all.length, MOST));
    put({ items: all, next: older.next });
  }));
  put(first);
  return place;
}

function taskTable(tasks) {
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Tasks" },
    h("table", {}, h("thead", {}, h("tr", {}, ["task", "state", "cost", "budget"].map((word, at) => h("th", { scope: "col", class: at > 1 && "number" }, word)))),
      h("tbody", {}, tasks.map((task) => h("tr", {}, h("td", {}, h("a", { href: `#/task/${task.id}` }, task.userQuery.slice(0, 80))),
        h("td", { class: task.status }, task.status.replace("_", " ")), h("td", { class: "number" }, money(task.totalCost)),
        h("td", { class: "number" }, money(task.maxBudget)))))));
}
