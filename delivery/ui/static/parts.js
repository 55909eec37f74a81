// Parts: the pieces that views are made of: environments, rollouts, runs, events.
import { post, query, remove } from "/static/api.js";
import { ask, attempt } from "/static/asking.js";
import { h } from "/static/dom.js";
import { age, clock, percent, short, span, step, swatch, tone, words } from "/static/words.js";

export const pill = (state) => h(`span.pill${tone(state) && "." + tone(state)}`, null, words(state));

export function section(title, count, more, ...body) {
  const label = `s-${title.toLowerCase().replace(/\W+/g, "-")}`;
  return h("section.section", { "aria-labelledby": label, dataset: { key: label } },
    h("header", null, h("h2", { id: label }, title), count !== null && h("span.count", null, String(count)), more),
    ...body);
}

export function command(text) {
  const copy = () => attempt(() => navigator.clipboard.writeText(text), "Copied");
  return h("span.cmd", null, h("span", null, text), h("button", { type: "button", onclick: copy, "aria-label": `Copy: ${text}` }, "copy"));
}

// ---- environments

function chips(environment, production) {
  const own = Object.entries(environment.workloads).sort();
  const chip = ([service, version]) => h("span.chip", { title: version }, service, h("code", null, short(version)));
  const inherited = environment.color && production
    ? Object.keys(production.workloads).filter((service) => !(service in environment.workloads)).length : 0;
  return h("div.chips", null, own.map(chip),
    !own.length && h("span.chip.ghosted", null, environment.color ? "nothing of its own yet" : "nothing deployed yet"),
    inherited > 0 && h("span.chip.ghosted", { title: "Answered by the baseline" }, `+${inherited} from baseline`));
}

export function environmentCard(environment, production, changed, many) {
  const name = many ? `${environment.project} · ${environment.name}` : environment.name;
  const path = `environments/${environment.id}`;
  const extend = () => attempt(() => post(`${path}/extend`, { duration: "7d" }), "Extended by 7 days").then(changed);
  const end = async () => {
    const answer = await ask({ title: `Delete ${environment.name}?`, ok: "Delete", tone: "bad",
      text: "Its routes, processes and files go. Requests with its colour are answered by the baseline." });
    if (answer) await attempt(() => remove(path + query({ by: answer.by })), "Being deleted").then(changed);
  };
  const left = environment.expires_at && environment.expires_at - Date.now() / 1000;
  return h("article.card.env", { style: { "--swatch": swatch(environment.color) }, dataset: { key: environment.id } },
    h("div.name", null, h("i.swatch", { "aria-hidden": "true" }), h("span", { title: name }, name),
      environment.state === "active" ? !environment.color && h("span.pill", null, "baseline") : pill(environment.state)),
    environment.url && h("a.url", { href: environment.url, target: "_blank", rel: "noreferrer", title: environment.url }, environment.url.replace(/^https?:\/\//, "")),
    chips(environment, production),
    h("div.foot", null,
      environment.branch && h("span", { title: "branch" }, `⎇ ${environment.branch}`),
      environment.revision && h("code", { title: environment.revision }, short(environment.revision)),
      h("span", { title: new Date(environment.created_at * 1000).toString() }, age(environment.created_at)),
      environment.expires_at && h("span", { title: "lease" }, left > 0 ? `ends in ${span(left)}` : "lease is over"),
      environment.color && environment.state === "active" && h("span.acts", null,
        environment.expires_at && h("button.ghost", { type: "button", onclick: extend }, "extend"),
        h("button.ghost.danger", { type: "button", onclick: end, "aria-label": `Delete ${environment.name}` }, "delete"))));
}

// ---- rollouts

function weightBar(rollout) {
  const share = rollout.weight;
  const zero = (value) => (value ? null : { zero: "" });
  return h(`div.weights.${rollout.phase}`, { role: "img", "aria-label": `stable ${100 - share} percent, candidate ${share} percent` },
    h("div.stable", { style: { width: `${100 - share}%` }, dataset: zero(100 - share) }, share <= 80 && `${100 - share} %`),
    h("div.candidate", { style: { width: `${share}%` }, dataset: zero(share) }, share >= 20 && `${share} %`));
}

function stepList(rollout) {
  const bad = ["rolled_back", "rolling_back", "superseded"].includes(rollout.phase);
  const mark = (index) => {
    if (rollout.phase === "promoted" || index < rollout.step) return "done";
    if (index > rollout.step || rollout.phase === "deploying") return "";
    return bad ? "broke" : "here";
  };
  const item = (each, index) => h(`li${mark(index) && "." + mark(index)}`, { "aria-current": mark(index) === "here" ? "step" : null }, h("span", null, step(each)));
  return rollout.steps.length ? h("ol.steps", { "aria-label": "Steps" }, rollout.steps.map(item)) : null;
}

function counts(name, numbers) {
  return numbers && numbers.requests !== undefined &&
    h("span", null, `${name}: ${numbers.requests} requests, ${numbers.errors} errors (${percent(numbers.errors, numbers.requests)})`);
}

export function verdict(rollout) {
  const { outcome, sentence, needs, evidence = {} } = rollout.verdict;
  if (!outcome) return null;
  return h(`div.verdict.${outcome}`, null,
    h("p", null, h("b", null, outcome), sentence ? ` · ${sentence}` : "", needs ? ` · ${needs}` : ""),
    h("div.numbers", null, counts("stable", evidence.stable), counts("candidate", evidence.candidate)));
}

const ORDERS = {
  approve: { ok: "Approve", tone: "primary", text: (r) => `The candidate ${short(r.candidate)} of ${r.service} goes on to the next step.` },
  reject: { ok: "Reject", tone: "bad", text: (r) => `${r.service} goes back to ${short(r.stable) || "nothing"}; the candidate is not tried again.` },
  promote: { ok: "Promote", tone: "primary", text: () => "All remaining steps are skipped: the candidate gets all requests now." },
  abort: { ok: "Roll back", tone: "bad", text: (r) => `All requests go back to ${short(r.stable) || "nothing"}.` },
  pause: { ok: "Pause", tone: "primary", text: () => "The weights stay as they are until it is resumed." },
  resume: { ok: "Resume", tone: "primary", text: () => "The rollout goes on from where it stands." },
  retry: { ok: "Try again", tone: "primary", text: () => "The same release is rolled out again." },
};

function order(rollout, verb, changed, label, style = "") {
  const act = async () => {
    const { ok, tone: kind, text } = ORDERS[verb];
    const answer = await ask({ title: `${label}: ${rollout.service}`, text: text(rollout), ok, tone: kind });
    if (!answer) return;
    // Bound to what the person saw: when it has moved on since, the service refuses.
    const bound = ["approve", "reject"].includes(verb) ? { revision: rollout.revision, artifact: rollout.artifact, step: rollout.step } : {};
    await attempt(() => post(`rollouts/${rollout.id}/${verb}`, { ...answer, ...bound }), `${label}: asked`);
    changed();
  };
  return h(`button${style}`, { type: "button", onclick: act }, label);
}

export function rolloutCard(rollout, changed) {
  const waits = rollout.waiting_on.join("; ");
  return h("article.card.rollout", { dataset: { key: rollout.id }, style: { "--swatch": swatch(rollout.color) } },
    h("div.title", null, h("i.swatch", { "aria-hidden": "true" }), h("b", null, rollout.service), h("span.dim", null, `in ${rollout.environment}`), h("span.faint", null, age(rollout.created_at)), pill(rollout.phase)),
    weightBar(rollout),
    h("div.legend", null,
      h("span", null, h("b", null, `${100 - rollout.weight} %`), " stable ", h("code", { title: rollout.stable }, short(rollout.stable) || "none")),
      h("span", null, h("b", null, `${rollout.weight} %`), " candidate ", h("code", { title: rollout.candidate }, short(rollout.candidate)), " from ", h("code", { title: rollout.revision }, short(rollout.revision)))),
    stepList(rollout),
    verdict(rollout),
    rollout.awaits_approval && h("div.callout", null, h("span", null, "Waits for a person's yes"), h("span.acts", null,
      order(rollout, "reject", changed, "Reject", ".danger"), order(rollout, "approve", changed, "Approve", ".primary"))),
    h("dl.why", null,
      !rollout.ended && waits && [h("dt", null, "waits for"), h("dd", null, waits)],
      rollout.message && rollout.message !== rollout.verdict.sentence && [h("dt", null, rollout.ended ? "because" : "now"), h("dd", null, rollout.message)],
      rollout.approvals.length > 0 && [h("dt", null, "decided"), h("dd", null, rollout.approvals.map((each) =>
        h("p", null, `${each.approver || "somebody"} ${each.approved ? "approved" : "rejected"} step ${each.step + 1}${each.comment ? `: ${each.comment}` : ""}`)))]),
    h("div.row", null, rollout.ended
      ? rollout.phase !== "promoted" && order(rollout, "retry", changed, "Try again")
      : [rollout.phase === "paused" ? order(rollout, "resume", changed, "Resume") : order(rollout, "pause", changed, "Pause"),
        order(rollout, "promote", changed, "Promote now"), order(rollout, "abort", changed, "Roll back", ".danger")]));
}

// ---- runs and events

export function runItem(run, selected) {
  const reasons = Object.entries(run.reasons).map(([service, why]) => `${service}: ${why}`).join(" · ");
  return h("a.item", { href: `#/runs/${encodeURIComponent(run.id)}`, dataset: { key: run.id }, "aria-current": run.id === selected ? "true" : null },
    h("span.head", null, h("b", null, run.branch || run.ref), h("code.faint", { title: run.revision }, short(run.revision)), h("span.faint.nowrap", null, `${run.project} #${run.number}`)),
    h("span.row", null, pill(run.state), h("span.faint.num", null, age(run.created_at))),
    h("span.sub", { title: run.message || reasons }, run.message || reasons || "not planned yet"));
}

export function eventLine(event, wide) {
  return h("div.event", { dataset: { key: `e${event.id}` } },
    h("time", { datetime: new Date(event.at * 1000).toISOString() }, clock(event.at)),
    wide && h("span.kind", null, event.kind),
    h("p", null, wide ? "" : h("span.faint", null, `${subject(event)} `), wide ? event.text : event.text || event.kind, !wide && event.actor && h("span.faint", null, ` · ${event.actor}`)),
    wide && h("span.faint", null, [subject(event), event.actor].filter(Boolean).join(" · ")));
}

function subject(event) {
  return event.subject.replace(/^\w+\//, "");
}
