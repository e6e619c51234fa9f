/** The page: which view is shown, whose it is, and the one stream that all views live on. */

import { Market } from "./agents.js";
import { key, onRefused } from "./api.js";
import { show } from "./dom.js";
import { Letters } from "./letters.js";
import { Log } from "./log.js";
import { Services } from "./services.js";
import { Stream } from "./stream.js";
import { Task } from "./task.js";
import { Wallet } from "./wallet.js";
import { Wish } from "./wish.js";

const ALL = "/api/events";
const main = document.querySelector("main");
const state = document.querySelector("#state");
const door = document.querySelector("#door");
const keyField = document.querySelector("#key");

const market = new Market();
const [wish, wallet, services, letters] = [new Wish(market), new Wallet(), new Services(), new Letters()];
const [log, task] = [new Log(market), new Task(market)];
const VIEWS = { "": wish, agents: market, wallet, events: log, services, letters };

const stream = new Stream({
  heard(event, past) {
    if (stream.path !== ALL) task.heard(event);
    else (past ? [market, log] : [wish, market, wallet, log]).forEach((view) => view.heard(event));
  },
  noticed({ notice, message }) {
    if (notice === "bus_lost" || notice === "bus_back") stands(notice === "bus_lost" ? "away" : "live", message);
    if (services.element.isConnected) services.open();
  },
  stands,
});
stream.from(ALL, 1000);

function stands(how, words) {
  if (how === "live" && state.className === "away") look();
  state.className = how;
  show(state, how === "live" ? "Live" : words);
  if (how === "key") enter(words);
}

/** Show the view that the address names, and read the stream that it lives on. */
function route(focus = true) {
  const [, name = "", coded] = location.hash.split("/");
  const id = decoded(coded);
  const view = name === "task" && id ? task : VIEWS[name] ?? wish;
  show(main, view.element);
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.hash === `#/${name}`;
    if (here) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  const path = view === task ? `/api/tasks/${encodeURIComponent(id)}/events` : ALL;
  if (view === task) delete stream.place[path];
  if (stream.path !== path || !stream.reading) stream.open(path);
  if (focus) (location.hash === "#wish" ? wish.text : view.element.querySelector("h2")).focus();
  look(view, id);
}

/** Ask for what the view shows; all others hear of it by events, or when they are shown. */
function look(view = current(), id = decoded(location.hash.split("/")[2])) {
  if (view !== market && !market.agents.length) market.open();
  if (view !== wish || !wish.story) view.open(id);
}

/** A part of the address as text; as it stands when it is no such part. */
function decoded(part) {
  try { return part && decodeURIComponent(part); } catch { return part; }
}

const current = () => [...Object.values(VIEWS), task].find((view) => view.element.isConnected);

/** Ask for a key; `why` is what the gateway said. */
function enter(why) {
  show(document.querySelector("#why"), why ?? "");
  door.returnValue = "cancel";
  if (!door.open) door.showModal();
}

onRefused(enter);
document.querySelector("#who").addEventListener("click", () => enter(""));
door.addEventListener("close", () => {
  const given = keyField.value.trim();
  keyField.value = "";
  const leaves = door.returnValue === "none";
  if (door.returnValue === "cancel" || given === key.get() || (!given && !leaves)) return;
  key.set(leaves ? "" : given);
  stream.forget();
  [market, wish, wallet, letters, log].forEach((view) => view.clear());
  stream.close();
  route();
});
addEventListener("hashchange", () => route());
addEventListener("keydown", (press) => {
  if (press.key === "/" && !press.target.closest("input, textarea, dialog")) { press.preventDefault(); location.hash = "#wish"; wish.text.focus(); }
});
route(false);
