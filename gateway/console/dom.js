/** Elements made without markup: whatever anybody wrote becomes text, never tags. */

const STEERING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const SVG = "http://www.w3.org/2000/svg";

/** A text as it can be shown: what steers a terminal, or turns the direction, is written out. */
function plain(text) {
  return String(text ?? "").replace(STEERING, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, plain(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child != null && child !== false) element.append(child instanceof Node ? child : plain(child));
  }
  return element;
}

/** An HTML element; `props` are attributes, and listeners by names such as `onclick`. */
export const h = (tag, props = {}, ...children) => fill(document.createElement(tag), props, children);

/** An SVG element. */
export const s = (tag, props = {}, ...children) => fill(document.createElementNS(SVG, tag), props, children);

/** Put these in place of what an element holds; what is typed or focused elsewhere stays. */
export const show = (element, ...children) => fill(element, {}, (element.replaceChildren(), children));

/** Call `work` once per frame at most, however often it is asked for. */
export function framed(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; work(); });
  };
}

/** Call `work` once, `ms` after the first of many calls. */
export function gathered(work, ms) {
  let timer = null;
  return () => { timer ??= setTimeout(() => { timer = null; work(); }, ms); };
}

/** An amount for people: at most six decimals, no zeros at the end. */
export const money = (amount) => `${Number(Number(amount ?? 0).toFixed(6))}`;

/** A moment for people: the time alone when it is today. */
export function when(time) {
  const at = new Date(time);
  return at.toDateString() === new Date().toDateString() ? at.toLocaleTimeString() : at.toLocaleString();
}

/** What is there until the gateway has answered. */
export const looking = () => h("p", { class: "note" }, "Looking…");

/** A button for what is behind a page of a list; nothing when that was all. `add` is given the next one. */
export function further(words, next, read, add) {
  if (!next) return null;
  const said = h("span", { class: "wrong", role: "alert" });
  const button = h("button", { type: "button", onclick: async () => {
    button.disabled = true;
    try { add(await read(next)); } catch (error) { button.disabled = false; show(said, error.message); }
  } }, words);
  return h("p", { class: "row" }, button, said);
}

/** What is there when a list is empty: what to try. */
export const empty = (...words) => h("p", { class: "empty" }, ...words);

const WHOLE = 4000;

/** A long text: its beginning, and a button for the rest. */
export function long(text, name = "text") {
  const whole = String(text ?? "");
  if (whole.length <= WHOLE) return h("div", { class: "said" }, whole);
  const box = h("div", { class: "said long", tabindex: 0, role: "region", "aria-label": name }, `${whole.slice(0, WHOLE)}…`);
  const more = h("button", { type: "button", onclick: () => { show(box, whole); more.remove(); } },
    `Show all ${whole.length.toLocaleString("en")} characters`);
  return h("div", {}, box, more);
}
