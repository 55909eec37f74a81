// Live: news from the server by server-sent events; the caller reloads what it shows. Without a stream, polling does.

const SETTLE = 120; // ms: events come in bursts, one reload is enough for all
const AGAIN = 3000; // ms: browsers give a stream up for good when something in between answers for the API

/** Call `news` soon after each event, and `state(true|false)` when the stream opens or breaks. Returns how to stop. */
export function listen(news, state) {
  let timer = null;
  let later = null;
  let source = null;
  const open = () => {
    source = new EventSource("/api/v1/events");
    source.onopen = () => { state(true); news(); };
    source.onerror = () => {
      state(false);
      if (source.readyState === EventSource.CLOSED) later = setTimeout(open, AGAIN);
    };
    source.addEventListener("event", () => { timer ??= setTimeout(() => { timer = null; news(); }, SETTLE); });
  };
  open();
  return () => { clearTimeout(later); source.close(); };
}
