// The build: take the shared code in, check the syntax of every file, and note what was bundled.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

copyFileSync("../../shared/node/web.mjs", "web.mjs");
JSON.parse(readFileSync("behaviour.json", "utf8"));
const files = readdirSync(".").filter((name) => name.endsWith(".mjs")).sort();
const bundle = {};
for (const name of files) {
  execFileSync(process.execPath, ["--check", name], { stdio: "inherit" });
  bundle[name] = createHash("sha256").update(readFileSync(name)).digest("hex").slice(0, 16);
  console.log(`checked ${name}`);
}
writeFileSync("bundle.json", `${JSON.stringify(bundle, null, 2)}\n`);
console.log(`bundled ${files.length} files of version ${readFileSync("version.txt", "utf8").trim()}`);
