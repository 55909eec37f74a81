// The build: take the shared code in and check the syntax.
import { execFileSync } from "node:child_process";
import { copyFileSync } from "node:fs";

copyFileSync("../../shared/node/web.mjs", "web.mjs");
for (const name of ["server.mjs", "web.mjs"]) execFileSync(process.execPath, ["--check", name], { stdio: "inherit" });
console.log("checked");
