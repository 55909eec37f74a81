// App: which view is shown, when it is loaded again, theme, project filter and sign-in. Neighbours: views, live.
import { get, post } from "/static/api.js";
import { notice } from "/static/asking.js";
import { h, morph } from "/static/dom.js";
import { listen } from "/static/live.js";
import { closeLog } from "/static/runlog.js";
import * as views from "/static/views.js";

const VIEWS = { overview: [views.overview, views.showOverview], runs: [views.runs, views.showRuns], mesh: [views.mesh, views.showMesh], trail: [views.trail, views.showTrail] };
const BUSY = 1000, IDLE = 5000, BLIND = 2000; // ms between reloads: something moves; all is quiet; no stream
const main = document.getElementById("main");
const state = { view: "overview", id: "", project: localStorage.getItem("colorlane.project") || "", live: false, busy: false, turn: 0 };
let timer = 0;

function address() {
  const [view = "", id = ""] = location.hash.replace(/^#\/?/, "").split("/");
  return { view: view in VIEWS ? view : view === "rollouts" ? "overview" : "overview", id: decodeURIComponent(id) };
}

async function reload() {
  clearTimeout(timer);
  const turn = ++state.turn;
  const [load, show] = VIEWS[state.view];
  try {
    const data = await load(state);
    if (turn !== state.turn) return;
    state.busy = JSON.stringify(data).includes('"ended":false') || data.run?.ended_at === null;
    render(show(data, { changed: reload }));
  } catch (problem) {
    if (turn !== state.turn) return;
    if (problem.status === 401) return signIn();
    trouble(problem);
  }
  if (!document.hidden) timer = setTimeout(reload, state.live ? (state.busy ? BUSY : IDLE) : BLIND);
}

function render(content) {
  const fresh = h("main", { id: "main", tabindex: "-1" }, content);
  morph(main, fresh);
}

function trouble(problem) {
  if (!main.childElementCount) render(h("div.card.empty", null, h("h2", null, problem.message), h("p", null, problem.remedy)));
  shine(false);
}

function shine(on) {
  state.live = on;
  const light = document.getElementById("live");
  light.className = on ? "live on" : "live off";
  light.lastChild.textContent = on ? "live" : "reconnecting";
}

function go() {
  const { view, id } = address();
  if (view !== state.view || (view === "runs" && id !== state.id)) closeLog();
  Object.assign(state, { view, id });
  for (const link of document.querySelectorAll("nav a[data-view]")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  reload();
}

function signIn() {
  const field = h("input", { type: "password", autocomplete: "current-password", required: true, "aria-label": "Token" });
  const submit = async (event) => {
    event.preventDefault();
    try {
      await post("session", { token: field.value });
      start();
    } catch (problem) {
      notice(problem.message, true);
    }
  };
  render(h("form.card.empty", { onsubmit: submit }, h("h2", null, "A token is needed"),
    h("p", null, "It is the value of COLORLANE_API_TOKEN on the server."), h("div.row", null, field, h("button.primary", { type: "submit" }, "Open"))));
  field.focus();
}

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("colorlane.theme", root.dataset.theme);
}

async function projects() {
  const select = document.getElementById("project");
  const rows = await get("projects?limit=500").catch(() => ({ items: [] }));
  select.replaceChildren(h("option", { value: "" }, "All projects"), ...rows.items.map((row) => h("option", { value: row.name }, row.name)));
  if (![...select.options].some((option) => option.value === state.project)) state.project = "";
  select.value = state.project;
}

let close = null;
async function start() {
  close?.();
  await projects();
  close = listen(() => { projects(); reload(); }, shine);
  go();
}

if (localStorage.getItem("colorlane.theme")) document.documentElement.dataset.theme = localStorage.getItem("colorlane.theme");
document.getElementById("theme").addEventListener("click", theme);
document.getElementById("project").addEventListener("change", (event) => {
  state.project = event.target.value;
  localStorage.setItem("colorlane.project", state.project);
  reload();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) reload(); });
addEventListener("hashchange", go);
start();
