// API: the HTTP calls of the page; failures carry the problem's own words.

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || `HTTP ${status}`);
    this.status = status;
    this.remedy = body.remedy || "";
  }
}

async function ask(method, path, body) {
  let response;
  try {
    response = await fetch(`/api/v1/${path}`, {
      method,
      headers: body ? { "content-type": "application/json" } : {},
      body: body ? JSON.stringify(body) : undefined,
    });
  } catch {
    throw new Problem(0, { detail: "Colorlane does not answer", remedy: "is `colorlane up` running?" });
  }
  const answer = response.status === 204 ? null : await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, answer || {});
  return answer;
}

export const get = (path) => ask("GET", path);
export const post = (path, body) => ask("POST", path, body || {});
export const remove = (path) => ask("DELETE", path);

/** Return a query string of what is given. */
export function query(fields) {
  const given = Object.entries(fields).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

/** Yield a streamed text until it ends or `signal` aborts it. */
export async function* lines(path, signal) {
  const response = await fetch(`/api/v1/${path}`, { signal });
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}
