"""The shop's front page: asks details and reviews at the same time, and shows what each service answered.

Knows nothing of a mesh: it calls services by name and passes on `traceparent` and `tracestate`, as any traced
application does.
"""

import json
from concurrent.futures import ThreadPoolExecutor

import page
import web

TRACE = ("traceparent", "tracestate")
PARTS = {"details": "http://details:9080/", "reviews": "http://reviews:9080/"}
VERSION = web.version()
TEXT = web.behaviour()["text"]
CALLS = ThreadPoolExecutor(max_workers=64, thread_name_prefix="call")


def collect(headers):
    """Return the page's content, and whether every part of it could be had."""
    carried = web.kept(headers, TRACE)
    calls = {name: CALLS.submit(web.get, url, carried) for name, url in PARTS.items()}
    answers = {name: call.result() for name, call in calls.items()}
    document = {"service": "productpage", "version": VERSION, "text": TEXT, "answers": answered(answers)}
    document |= {name: body for name, (_, body) in answers.items()}
    return document, all(status == 200 for status, _ in answers.values())


def answered(answers):
    """Return one row for each service that took part, the deeper ones below those that asked them."""
    rows = [{"service": "productpage", "version": VERSION, "ok": True, "depth": 0}]
    for name, (status, body) in answers.items():
        rows.append({"service": name, "version": body.get("version", ""), "ok": status == 200, "depth": 1})
        if below := body.get("ratings"):
            rows.append(
                {"service": "ratings", "version": below.get("version", ""), "ok": "error" not in below, "depth": 2}
            )
    return rows


def answer(path, headers):
    """Answer one request: HTML to people, JSON to programs; 502 when a part is missing, with what there is."""
    if path.split("?")[0] not in {"/", "/productpage"}:
        return web.as_json({"error": f"no such page: {path}"}, 404)
    document, complete = collect(headers)
    status = 200 if complete else 502
    if "text/html" in headers.get("Accept", ""):
        return status, "text/html; charset=utf-8", page.render(document).encode()
    return status, "application/json", json.dumps(document).encode()


if __name__ == "__main__":
    web.serve(answer)
