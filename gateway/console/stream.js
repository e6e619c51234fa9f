/** The one stream of events that the page has open, read by `fetch`, since a key has to go along. */

import { clocked, now, who } from "./api.js";

const SILENCE_MS = 45_000; // three heartbeats
const LONGEST_MS = 5_000;
const ENDS = new Set(["revoked", "expired"]);

export class Stream {
  /** Tells events to `heard`, and whether they were there before; notices to `noticed`; how it is to `stands`. */
  constructor({ heard, noticed, stands }) {
    Object.assign(this, { heard, noticed, stands, place: {}, until: {}, reading: null, path: null, back: {} });
  }

  /** Read this address from now on, in place of the one before; one that was read before goes on. */
  open(path) {
    this.close();
    this.path = path;
    this.reading = new AbortController();
    this.#read(path, this.reading);
  }

  /** Forget all places: another account has others. */
  forget() { this.place = {}; this.until = {}; }

  /** Begin so many events of the stream before now, whenever this address is read anew. */
  from(path, events) { this.back[path] = events; }

  close() { this.reading?.abort(); this.reading = null; }

  async #read(path, reading) {
    let seeking = !this.place[path] && this.back[path];
    for (let wait = 250; !reading.signal.aborted; wait = Math.min(wait * 2, LONGEST_MS)) {
      const cut = new AbortController();
      const stop = () => cut.abort();
      reading.signal.addEventListener("abort", stop);
      try {
        const place = this.place[path];
        const headers = { ...who(), ...(place ? { "Last-Event-ID": place } : {}) };
        const answer = clocked(await fetch(path, { headers, signal: cut.signal, credentials: "omit" }));
        if (!answer.ok) {
          const { error } = await answer.json().catch(() => ({}));
          if (reading.signal.aborted) return;
          if (answer.status < 500 && answer.status !== 429) {
            this.stands(answer.status === 401 ? "key" : "refused", error ?? `HTTP ${answer.status}`);
            return;
          }
          this.stands("away", error ?? `HTTP ${answer.status}`);
        } else {
          this.stands("live", "Live");
          wait = 250;
          const sought = seeking;
          seeking = 0;
          if (await this.#frames(path, answer.body.getReader(), cut, sought)) return;
          if (sought) continue; // once more, from the place that was found
        }
      } catch { /* cut off, or nobody there: once more */ }
      reading.signal.removeEventListener("abort", stop);
      if (reading.signal.aborted) return;
      this.stands("away", "The gateway is away; trying again.");
      await new Promise((done) => setTimeout(done, wait));
    }
  }

  /** Read to the end; true when there is no use in coming again. */
  async #frames(path, reader, cut, sought) {
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const quiet = setTimeout(() => cut.abort(), SILENCE_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(quiet));
      if (done) return false;
      const frames = (rest + decoder.decode(value, { stream: true })).replaceAll("\r\n", "\n").split("\n\n");
      rest = frames.pop();
      for (const frame of frames) {
        const told = this.#frame(path, frame);
        if (told && ENDS.has(told)) { this.stands("key", `The key is ${told}.`); return true; }
        if (sought && Number(this.place[path]) > 0) {
          this.until[path] = Number(this.place[path]);
          this.place[path] = String(Math.max(Number(this.place[path]) - sought, 1));
          reader.cancel();
          return false;
        }
      }
    }
  }

  #frame(path, frame) {
    const fields = {};
    for (const line of frame.split("\n")) {
      const at = line.indexOf(":");
      if (at > 0) fields[line.slice(0, at)] = line.slice(at + 1).replace(/^ /, "");
    }
    if (fields.id) this.place[path] = fields.id;
    if (!fields.data) return null;
    const data = JSON.parse(fields.data);
    if (fields.event === "notice") { this.noticed(data); return data.notice; }
    data.data ??= {}; // no JSON: somebody told it by hand
    data.time ??= new Date(now()).toISOString();
    this.heard(data, Number(fields.id) <= this.until[path]);
    return null;
  }
}
