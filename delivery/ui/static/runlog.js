// Run log: the live output of a run; the text node outlives updates of the view around it.
import { lines } from "/static/api.js";
import { h } from "/static/dom.js";

const KEPT = 400_000; // characters; older output is a click away (the raw log)
const TAIL = 200_000; // bytes asked for at first
let open = { run: "", service: "", box: null, abort: null };

/** Return the log's part of a run's card; once it is on the page, a stand-in that an update leaves alone. */
export function runLog(run) {
  const services = run.jobs.map((job) => job.service).sort();
  const key = `log-${run.id}-${services.join(",")}`;
  if (document.querySelector(`[data-key="${CSS.escape(key)}"]`)) return h("div", { dataset: { key, keep: "" } });
  if (open.run !== run.id) show(run.id, "");
  const tab = (service, label) => h("button.ghost.tab", { type: "button", "aria-pressed": String(service === open.service), onclick: (event) => {
    show(run.id, service);
    for (const each of event.target.parentNode.querySelectorAll(".tab")) each.setAttribute("aria-pressed", String(each === event.target));
  } }, label);
  const raw = h("a.dim", { href: `/api/v1/runs/${encodeURIComponent(run.id)}/logs`, target: "_blank" }, "raw");
  return h("div", { dataset: { key, keep: "" } },
    h("div.logbar", null, tab("", "all"), services.map((service) => tab(service, service)), raw), open.box);
}

/** Stop reading when another view is shown. */
export function closeLog() {
  open.abort?.abort();
  open = { run: "", service: "", box: null, abort: null };
}

function show(run, service) {
  open.abort?.abort();
  const box = open.run === run ? open.box : h("pre.log", { tabindex: "0", "aria-label": "Output" });
  box.textContent = "";
  open = { run, service, box, abort: new AbortController() };
  read(run, service, box, open.abort.signal);
}

async function read(id, service, box, signal) {
  const path = `runs/${encodeURIComponent(id)}/logs?follow=1&from=-${TAIL}${service ? `&service=${encodeURIComponent(service)}` : ""}`;
  try {
    for await (const text of lines(path, signal)) append(box, text);
  } catch (problem) {
    if (!signal.aborted) append(box, `\n[${problem.message}]\n`);
  }
}

function append(box, text) {
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  box.append(text);
  while (box.textContent.length > KEPT && box.firstChild !== box.lastChild) box.firstChild.remove();
  if (atEnd) box.scrollTop = box.scrollHeight;
}
