// Run by the pipeline: `node --test`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answer } from "./server.mjs";
import { version } from "./web.mjs";

test("ratings give stars and their version", async () => {
  const [status, document] = await answer();
  assert.equal(status, 200);
  assert.equal(document.version, version());
  assert.ok(document.stars >= 1 && document.stars <= 5);
});
