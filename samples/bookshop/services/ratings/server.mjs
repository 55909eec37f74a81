// The stars. A leaf: asks nobody.
import { fileURLToPath } from "node:url";
import { behaviour, serve, version } from "./web.mjs";

const VERSION = version();
const TEXT = behaviour().text;

/** Answer one request. */
export async function answer() {
  return [200, { service: "ratings", version: VERSION, text: TEXT, stars: 5 }];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) serve(answer);
