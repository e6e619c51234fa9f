/** The AsyncAPI documents of the services, as a page: each subject, who receives or sends it, its payload. */

import { ask } from "./api.js";
import { h, show } from "./dom.js";
import { SERVICES } from "./story.js";

const main = document.querySelector("main");

/** What a reference names; names have slashes as ~1 and may be percent-encoded. */
function follow(document, ref) {
  return ref.slice(2).split("/").map((part) => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((at, part) => at?.[part], document);
}

const refOf = (document, thing) => (thing?.$ref ? follow(document, thing.$ref) ?? {} : thing ?? {});

function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.anyOf || schema.oneOf) return (schema.anyOf ?? schema.oneOf).map(typeOf).join(" | ");
  if (schema.type === "array") return `list of ${typeOf(schema.items ?? {})}`;
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  return schema.const !== undefined ? JSON.stringify(schema.const) : schema.type ?? "any";
}

function fields(document, schema) {
  const found = refOf(document, schema);
  const wanted = new Set(found.required);
  const rows = Object.entries(found.properties ?? {});
  if (!rows.length) return h("p", { class: "note" }, typeOf(found));
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Fields of ${found.title ?? "the payload"}` },
    h("table", {}, h("thead", {}, h("tr", {}, ["field", "type", ""].map((word) => h("th", { scope: "col" }, word)))),
      h("tbody", {}, rows.map(([name, field]) => h("tr", {}, h("td", {}, h("code", {}, name), wanted.has(name) ? " *" : ""),
        h("td", {}, typeOf(field)), h("td", {}, field.description ?? ""))))));
}

function channel(document, name, one) {
  const action = Object.values(document.operations).find((operation) => follow(document, operation.channel.$ref) === one)?.action ?? "";
  const messages = Object.values(one.messages ?? {}).map((message) => refOf(document, message));
  return h("details", {}, h("summary", {}, h("code", {}, one.address), " ", h("span", { class: "badge" }, action === "receive" ? "receives" : "sends")),
    one.description ? h("p", {}, one.description.trim().replace(/\n\s+/g, "\n")) : null,
    messages.map((message) => fields(document, message.payload)));
}

function service(name, document) {
  return h("section", { id: name }, h("h2", {}, document.info.title),
    h("p", {}, h("a", { href: `/docs/specs/${name}.asyncapi.json` }, `AsyncAPI ${document.asyncapi}`)),
    Object.entries(document.channels).sort().map(([key, one]) => channel(document, key, one)));
}

try {
  const documents = await Promise.all(SERVICES.map((name) => ask(`/docs/specs/${name}.asyncapi.json`)));
  show(document.querySelector("nav"), SERVICES.map((name) => h("a", { href: `#${name}` }, name)));
  show(main, SERVICES.map((name, at) => service(name, documents[at])));
} catch (error) {
  show(main, h("p", { class: "wrong", role: "alert" }, error.message));
}
