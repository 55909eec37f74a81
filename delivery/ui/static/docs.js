// Docs: shows /openapi.json as a readable reference; offline, without anything from elsewhere.
import { h } from "/static/dom.js";

const LATE = ["health", "session"];

function named(schema, spec) {
  const ref = schema?.$ref;
  return ref ? { name: ref.split("/").pop(), ...spec.components.schemas[ref.split("/").pop()] } : schema || {};
}

function kind(schema, spec) {
  if (!schema) return "";
  if (schema.$ref) return named(schema, spec).enum?.join(" | ") || schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map((each) => kind(each, spec)).join(" or ");
  if (schema.type === "array") return `list of ${kind(schema.items, spec)}`;
  return [schema.type, schema.pattern, schema.maxLength && `≤ ${schema.maxLength}`].filter(Boolean).join(" ");
}

function fields(title, rows) {
  return rows.length > 0 && h("div", null, h("h3", null, title), h("table", null, rows.map(([name, type, text]) =>
    h("tr", null, h("td", null, h("code", null, name)), h("td.dim", null, type), h("td", null, text || "")))));
}

function shape(title, schema, spec) {
  if (!schema) return null;
  const whole = named(schema, spec);
  return fields(`${title}: ${whole.title || whole.name || kind(schema, spec)}`, Object.entries(whole.properties || {}).map(([name, each]) =>
    [whole.required?.includes(name) ? `${name} *` : name, kind(each, spec), each.description]));
}

function operation(path, verb, each, spec) {
  const answer = Object.entries(each.responses).find(([status]) => status.startsWith("2"));
  const parameters = (each.parameters || []).map((one) => [`${one.name}${one.required ? " *" : ""}`, `${one.in} · ${kind(one.schema, spec)}`, one.description || one.schema?.description]);
  return h("details.op", null,
    h("summary", null, h(`span.verb.${verb}`, null, verb.toUpperCase()), h("code", null, path), h("span.dim", null, (each.description || each.summary || "").split("\n")[0])),
    h("div.body", null, fields("Parameters", parameters),
      shape("Body", each.requestBody?.content["application/json"]?.schema, spec),
      answer && shape(`Answer ${answer[0]}`, answer[1].content?.["application/json"]?.schema, spec)));
}

async function show() {
  const spec = await (await fetch("/openapi.json")).json();
  const groups = new Map();
  for (const [path, verbs] of Object.entries(spec.paths)) {
    for (const [verb, each] of Object.entries(verbs)) {
      const tag = each.tags?.[0] || "other";
      groups.set(tag, [...(groups.get(tag) || []), operation(path, verb, each, spec)]);
    }
  }
  const order = [...groups].sort(([a], [b]) => LATE.includes(a) - LATE.includes(b));
  document.getElementById("main").replaceChildren(
    h("div", null, h("h1", null, `${spec.info.title} API ${spec.info.version}`), h("p.dim", null, "Errors are application/problem+json: title, status, detail, field, value, remedy. Lists are pages: items, limit, offset, next. Times are seconds since the epoch.")),
    ...order.map(([tag, rows]) => h("section.section", null, h("header", null, h("h2", null, tag), h("span.count", null, String(rows.length))), h("div.card", null, rows))));
}

show();
