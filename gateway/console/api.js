/** The gateway's API: one function to ask it, and the key that goes along. */

const KEY = "bazaar.key";

export class Refused extends Error {
  constructor(status, text) { super(text); this.status = status; }
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (text) => (text ? sessionStorage.setItem(KEY, text) : sessionStorage.removeItem(KEY)),
};

/** Headers that say who asks. */
export const who = () => (key.get() ? { Authorization: `Bearer ${key.get()}` } : {});

const APART_MS = 5_000; // the header Date has whole seconds, and answers take a while
let ahead = 0;

/** Note what the clock of the gateway says in an answer; this browser's may be off. */
export function clocked(answer) {
  const apart = Date.parse(answer.headers.get("Date")) - Date.now();
  ahead = Math.abs(apart) > APART_MS ? apart : 0;
  return answer;
}

/** Milliseconds of the day as the gateway has it, whose events are shown. */
export const now = () => Date.now() + ahead;

let refused = () => {};

/** Tell `listener` whenever a key is wanted, or the one that was given is wrong. */
export const onRefused = (listener) => { refused = listener; };

/** Ask; the answer's JSON. A Refused with the gateway's sentence, status 0 when nobody answers. */
export async function ask(path, { method = "GET", body, headers = {}, signal } = {}) {
  let answer;
  const used = key.get();
  try {
    answer = clocked(await fetch(path, {
      method, signal, credentials: "omit",
      headers: { ...who(), ...(body ? { "Content-Type": "application/json" } : {}), ...headers },
      body: body && JSON.stringify(body),
    }));
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The gateway does not answer. This page goes on by itself when it is back.");
  }
  const found = await answer.json().catch(() => ({}));
  if (answer.ok) return found;
  if (answer.status === 401 && used === key.get()) refused(found.error); // not of a key before this one
  throw new Refused(answer.status, found.error ?? `The gateway answers ${answer.status}.`);
}
