// Run by the pipeline: `node --test`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answer } from "./server.mjs";
import { server, version } from "./web.mjs";

test("reviews come with stars and pass on traceparent only", async () => {
  const asked = [];
  const ask = async (url, headers) => (asked.push([url, headers]), [200, { service: "ratings", version: "v9", stars: 4 }]);
  const [status, document] = await answer("/", { traceparent: "00-1-2-01", baggage: "x=y" }, ask);
  assert.equal(status, 200);
  assert.equal(document.version, version());
  assert.equal(document.ratings.stars, 4);
  assert.deepEqual(asked, [["http://ratings:9080/", { traceparent: "00-1-2-01" }]]);
});

test("without ratings there is still the text", async () => {
  const [status, document] = await answer("/", {}, async () => [0, { error: "away" }]);
  assert.equal(status, 200);
  assert.equal(document.ratings.error, "away");
});

test("the knobs make it fail, and /healthz stays good", async (context) => {
  const broken = server(async () => [200, {}], { error_rate: 1, delay_ms: 0 });
  context.after(() => broken.close());
  await new Promise((ready) => broken.listen(0, "127.0.0.1", ready));
  const at = `http://127.0.0.1:${broken.address().port}`;
  assert.equal((await fetch(at)).status, 500);
  assert.equal((await fetch(`${at}/healthz`)).status, 200);
});
