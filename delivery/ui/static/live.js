// Live: news from the server by server-sent events; the caller reloads what it shows. Without a stream, polling does.

const SETTLE = 120; // ms: events come in bursts, one reload is enough for all

/** Call `news` soon after each event, and `state(true|false)` when the stream opens or breaks. */
export function listen(news, state) {
  let timer = null;
  const source = new EventSource("/api/v1/events");
  source.onopen = () => { state(true); news(); };
  source.onerror = () => state(false);
  source.addEventListener("event", () => { timer ??= setTimeout(() => { timer = null; news(); }, SETTLE); });
  return () => source.close();
}
