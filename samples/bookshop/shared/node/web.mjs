// A small HTTP/1.1 JSON server and client on Node's standard library, shared by the shop's Node services.
// `/healthz`, the knobs of behaviour.json, and a graceful end on SIGTERM: requests in flight are finished.
import { readFileSync } from "node:fs";
import http from "node:http";

const GRACE = 10_000; // ms to finish what is in flight; below the manifests' terminationGracePeriodSeconds

const beside = (name) => readFileSync(new URL(name, import.meta.url), "utf8");

export const version = () => beside("version.txt").trim();

export const behaviour = () => ({ error_rate: 0, delay_ms: 0, text: "", ...JSON.parse(beside("behaviour.json")) });

/** Return those of the named headers that the request carries. */
export const kept = (headers, names) =>
  Object.fromEntries(names.filter((name) => headers[name] !== undefined).map((name) => [name, headers[name]]));

/** GET a JSON document; resolves to [status, document]. The proxy variables are honoured by Node itself. */
export function get(url, headers = {}, { timeout = 5000, again = true } = {}) {
  return new Promise((resolve) => {
    const failed = (error) => {
      // A kept connection may be closed by the other side just as it is used: nothing was sent, ask once more.
      if (again && request.reusedSocket && error.code === "ECONNRESET") resolve(get(url, headers, { timeout, again: false }));
      else resolve([0, { error: error.message }]);
    };
    const request = http.get(url, { headers, timeout }, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("error", failed);
      answer.on("end", () => resolve([answer.statusCode, parse(Buffer.concat(chunks).toString())]));
    });
    request.on("timeout", () => request.destroy(new Error(`no answer within ${timeout} ms`)));
    request.on("error", failed);
  });
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { error: text.slice(0, 2000) };
  }
}

/** Return an HTTP server that answers GET with the JSON of `answer(path, headers)`, with the knobs around it. */
export function server(answer, knobs = behaviour()) {
  return http.createServer({ keepAliveTimeout: 120_000, noDelay: true }, async (request, response) => {
    if (request.url === "/healthz") return response.writeHead(200, { "content-type": "text/plain" }).end("ok\n");
    if (knobs.delay_ms) await new Promise((wake) => setTimeout(wake, knobs.delay_ms));
    let [status, document] = [500, { error: `${version()} broke on purpose` }];
    if (Math.random() >= knobs.error_rate) {
      try {
        [status, document] = await answer(request.url, request.headers);
      } catch (error) {
        document = { error: error.message };
      }
    }
    if (status >= 400) console.log(`${status} ${request.url}`);
    const body = JSON.stringify(document);
    response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) }).end(body);
  });
}

/** Serve on $PORT until SIGTERM. */
export function serve(answer) {
  const host = process.env.KUBERNETES_SERVICE_HOST ? "0.0.0.0" : "127.0.0.1";
  const running = server(answer);
  const stop = () => {
    running.close(() => process.exit(0)); // also closes idle connections
    setTimeout(() => process.exit(0), GRACE).unref();
  };
  process.on("SIGTERM", stop).on("SIGINT", stop);
  running.listen({ port: Number(process.env.PORT ?? 9080), host, backlog: 256 }, () => {
    console.log(`${version()} listens on ${running.address().port}`);
  });
}
