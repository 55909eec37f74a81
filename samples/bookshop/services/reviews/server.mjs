// What readers say. Asks ratings for the stars, and passes on `traceparent` only.
import { fileURLToPath } from "node:url";
import { behaviour, get, kept, serve, version } from "./web.mjs";

const VERSION = version();
const TEXT = behaviour().text;

/** Answer one request; without stars there is still the text. `ask` is for tests. */
export async function answer(path, headers, ask = get) {
  const [status, ratings] = await ask("http://ratings:9080/", kept(headers, ["traceparent"]));
  const stars = status === 200 ? ratings : { error: ratings.error ?? `status ${status}` };
  return [200, { service: "reviews", version: VERSION, text: TEXT, ratings: stars }];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) serve(answer);
