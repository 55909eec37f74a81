// Words: how values read for people: ages, commits, states, colours.

const TONES = {
  good: ["succeeded", "promoted", "success", "ready", "active"],
  bad: ["failed", "rolled_back", "failing", "rejected"],
  info: ["building", "deploying", "progressing", "promoting", "running", "starting"],
  warn: ["paused", "rolling_back", "degraded", "deleting", "stopping", "inconclusive"],
};

/** Return the tone of a state: good, bad, info, warn or "". */
export function tone(state) {
  return Object.keys(TONES).find((name) => TONES[name].includes(state)) || "";
}

export const words = (state) => String(state).replaceAll("_", " ");
export const short = (commit) => String(commit || "").replace(/^sha256:/, "").slice(0, 8);

/** Return how long ago a time (seconds since the epoch) was. */
export function age(at, now = Date.now() / 1000) {
  if (at === null || at === undefined) return "";
  return span(Math.max(0, now - at));
}

/** Return seconds in one or two units. */
export function span(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86400)}d`;
}

/** Return the time of day, with the date when it is not today's. */
export function clock(at) {
  const date = new Date(at * 1000);
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  return date.toDateString() === new Date().toDateString() ? time : `${date.toISOString().slice(0, 10)} ${time}`;
}

// Spread by the golden angle, so that names that differ a little differ a lot in hue.
export function hue(name) {
  let hash = 2166136261;
  for (const char of name) hash = Math.imul(hash ^ char.codePointAt(0), 16777619) >>> 0;
  return Math.round((hash % 1000) * 137.508) % 360;
}

/** Return the CSS colour of an environment; the baseline is grey, as it has none. */
export function swatch(color) {
  return color ? `hsl(${hue(color)} var(--swatch-s) var(--swatch-l))` : "var(--ink-3)";
}

/** Return a step of a rollout as people say it. */
export function step(each) {
  if ("setWeight" in each) return `${each.setWeight} %`;
  if ("analysis" in each) return "gate";
  return each.pause.duration ? `wait ${each.pause.duration}` : "approval";
}

/** Return a rate as a percentage. */
export function percent(part, whole) {
  if (!whole) return "–";
  const value = (100 * part) / whole;
  return `${value === 0 || value >= 10 ? value.toFixed(0) : value.toFixed(value < 1 ? 2 : 1)} %`;
}
