// Views: what is shown for each address (#/, #/runs, #/runs/<id>, #/mesh, #/trail): what to load, how to show it.
import { get, post, query } from "/static/api.js";
import { attempt } from "/static/asking.js";
import { h } from "/static/dom.js";
import { command, environmentCard, eventLine, pill, rolloutCard, runItem, section } from "/static/parts.js";
import { runLog } from "/static/runlog.js";
import { age, short } from "/static/words.js";

const RECENT = 90; // seconds an ended rollout stays beside the running ones: long enough to read why it ended

export async function overview({ project }) {
  const [projects, environments, rollouts, runs, trail] = await Promise.all([
    get("projects?limit=500"),
    get(`environments${query({ project, limit: 500 })}`),
    get(`rollouts${query({ project, limit: 60 })}`),
    get(`runs${query({ project, limit: 8 })}`),
    get(`audit${query({ project, limit: 14 })}`),
  ]);
  return { projects: projects.items, environments: environments.items, rollouts: rollouts.items, runs: runs.items, events: trail.items };
}

export function showOverview(data, { changed }) {
  if (!data.projects.length) return welcome();
  if (!data.environments.length && !data.runs.length) return firstPush(data.projects[0]);
  const now = Date.now() / 1000;
  const live = data.rollouts.filter((each) => !each.ended);
  const fresh = data.rollouts.filter((each) => each.ended && each.steps.length && each.stable && now - each.ended_at < RECENT);
  const last = data.rollouts.find((each) => each.ended && each.steps.length && each.stable);
  const shown = live.length || fresh.length ? [...live, ...fresh] : last ? [last] : [];
  const production = (environment) => data.environments.find((each) => !each.color && each.project === environment.project);
  const many = new Set(data.environments.map((each) => each.project)).size > 1;
  const cards = [...data.environments].sort((a, b) => (a.color ? 1 : 0) - (b.color ? 1 : 0) || b.created_at - a.created_at);
  return [
    shown.length > 0 && section(live.length ? "Rollouts" : "Last rollout", live.length || null, null,
      h("div.rollouts", null, shown.map((each) => rolloutCard(each, changed)))),
    section("Environments", data.environments.length, null, cards.length
      ? h("div.cards", null, cards.map((each) => environmentCard(each, production(each), changed, many)))
      : h("div.card.quiet", null, "None yet: the first run makes one.")),
    h("div.two", { dataset: { key: "below" } },
      section("Runs", null, h("a.more", { href: "#/runs" }, "all runs"), runList(data.runs)),
      section("What happened", null, h("a.more", { href: "#/trail" }, "whole trail"), h("div.card.events", null,
        data.events.length ? data.events.map((each) => eventLine(each)) : h("p.quiet", null, "Nothing yet.")))),
  ];
}

function runList(runs, selected) {
  return h("div.card.list", null, runs.length ? runs.map((each) => runItem(each, selected)) : h("p.quiet", null, "No run yet: push something."));
}

function welcome() {
  return h("div.card.empty", null, h("h2", null, "Nothing is registered yet"),
    h("p", null, "Three steps from here to a canary:"),
    h("ol", null,
      h("li", null, "Register a repository ", command("colorlane project add bookshop")),
      h("li", null, "Put a colorlane.yaml into it and push ", command(`git push ${location.origin}/git/bookshop.git main`)),
      h("li", null, "Push a branch: it gets a colour and an address of its own.")),
    h("p.dim", null, "Or watch the whole story with a sample application: ", command("colorlane demo")));
}

function firstPush(project) {
  return h("div.card.empty", null, h("h2", null, `${project.name} is registered, and waits for its first push`),
    h("p", null, project.forge === "embedded" ? command(`git push ${project.clone_url} ${project.default_branch}`) : "Push to its Git host; the webhook brings the news here."),
    h("p.dim", null, "Its colorlane.yaml can be checked before: ", command("colorlane lint")));
}

export async function runs({ project, id }) {
  const list = await get(`runs${query({ project, limit: 60 })}`);
  const wanted = id || list.items[0]?.id;
  return { runs: list.items, run: wanted ? await get(`runs/${encodeURIComponent(wanted)}`) : null };
}

export function showRuns({ runs: list, run }, { changed }) {
  if (!run) return h("div.card.empty", null, h("h2", null, "No run yet"), h("p", null, "A push starts one."));
  return h("div.two.runs", null,
    section(`Run ${run.number}`, null, null, runCard(run, changed)),
    section("Runs", list.length, null, runList(list, run.id)));
}

function runCard(run, changed) {
  const ended = run.ended_at !== null;
  const path = `runs/${encodeURIComponent(run.id)}`;
  const act = (verb, done) => () => attempt(() => post(`${path}/${verb}`), done).then((made) => {
    if (made && verb === "retry") location.hash = `#/runs/${encodeURIComponent(made.id)}`;
    changed();
  });
  const jobs = Object.fromEntries(run.jobs.map((job) => [job.service, job]));
  return h("div.card", { dataset: { key: `run-${run.id}` } },
    h("div.rollout", null,
      h("div.title", null, h("b", null, run.branch || run.ref), h("code.dim", { title: run.revision }, short(run.revision)), h("span.faint", null, [run.project, run.author, age(run.created_at)].filter(Boolean).join(" · ")), pill(run.state)),
      run.message && h("p", null, run.message),
      h("div.row", null, ended ? h("button", { type: "button", onclick: act("retry", "New run") }, "Run again") : h("button.danger", { type: "button", onclick: act("cancel", "Being cancelled") }, "Cancel"),
        run.rollouts.length > 0 && h("span.dim", null, `${run.rollouts.length} ${run.rollouts.length === 1 ? "rollout" : "rollouts"}`))),
    h("div.scroll", null, h("table", null,
      h("tr", null, h("th", null, "Service"), h("th", null, "Job"), h("th", null, "Why")),
      Object.entries(run.reasons).sort().map(([service, why]) => h("tr", null,
        h("td", null, h("b", null, service)), h("td", null, jobs[service] ? pill(jobs[service].state) : h("span.faint", null, "reused")),
        h("td", null, why, jobs[service]?.message && h("p.dim", null, jobs[service].message)))))),
    runLog(run));
}

export async function mesh({ project }) {
  const [services, proxies, routes] = await Promise.all([
    get(`mesh/services${query({ namespace: project })}`), get("mesh/proxies"), get(`mesh/routes${query({ namespace: project })}`)]);
  return { services: services.items || [], proxies: proxies.items || [], routes: routes.items || [] };
}

export function showMesh(data) {
  return [["Proxies", data.proxies, "No Envoy is connected."], ["Routes", data.routes, "No route yet."], ["Services", data.services, "No service yet."]]
    .map(([title, rows, none]) => section(title, rows.length, null, h("div.card.scroll", null, rows.length ? grid(rows) : h("p.quiet", null, none))));
}

function grid(rows) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return h("table", null, h("tr", null, names.map((name) => h("th", null, name.replaceAll("_", " ")))),
    rows.map((row) => h("tr", null, names.map((name) => h("td", null, cell(row[name]))))));
}

function cell(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(cell).join(", ");
  if (typeof value === "object") return Object.entries(value).map(([name, each]) => `${name} ${cell(each)}`).join(", ");
  return typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
}

export async function trail({ project }) {
  return (await get(`audit${query({ project, limit: 200 })}`)).items;
}

export function showTrail(events) {
  return section("Trail", null, null, h("div.card.events.wide", null,
    events.length ? events.map((each) => eventLine(each, true)) : h("p.quiet", null, "Nothing has happened yet.")));
}
