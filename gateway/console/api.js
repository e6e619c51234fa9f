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
export const ask = async (path, options) => (await answered(path, options)).found;

/** A page of a list, and the address of the next one; null behind the last. */
export async function page(path) {
  const { found, answer } = await answered(path);
  return { items: found, next: /^<([^>]+)>; rel="next"$/.exec(answer.headers.get("Link"))?.[1] ?? null };
}

async function answered(path, { method = "GET", body, headers = {} } = {}) {
  let answer;
  const used = key.get();
  try {
    answer = clocked(await fetch(path, {
      method, credentials: "omit",
      headers: { ...who(), ...(body ? { "Content-Type": "application/json" } : {}), ...headers },
      body: body && JSON.stringify(body),
    }));
  } catch {
    throw new Refused(0, "The gateway does not answer. This page goes on by itself when it is back.");
  }
  const found = await answer.json().catch(() => ({}));
  if (used !== key.get()) return new Promise(() => {}); // nobody waits any more: another account is here
  if (answer.ok) return { found, answer };
  if (answer.status === 401) refused(found.error);
  throw new Refused(answer.status, found.error ?? `The gateway answers ${answer.status}.`);
}
