"""Tests of the front page, run by the pipeline: `python3 -m unittest`."""

import json
import unittest
from unittest import mock

import app

GOOD = {
    "details": (200, {"service": "details", "version": "v1", "author": "<William>"}),
    "reviews": (200, {"service": "reviews", "version": "v2", "text": "Fine", "ratings": {"version": "v3", "stars": 4}}),
}


def asked(answers, path="/", **headers):
    seen = {}

    def get(url, carried):
        name = url.removeprefix("http://").partition(":")[0]
        seen[name] = carried
        return answers[name]

    with mock.patch.object(app.web, "get", get):
        return app.answer(path, headers), seen


class FrontPage(unittest.TestCase):
    def test_programs_get_json_with_every_version(self):
        (status, kind, body), _ = asked(GOOD)
        versions = {row["service"]: row["version"] for row in json.loads(body)["answers"]}
        self.assertEqual((status, kind), (200, "application/json"))
        self.assertEqual(versions, {"productpage": app.VERSION, "details": "v1", "reviews": "v2", "ratings": "v3"})

    def test_people_get_html_and_text_is_escaped(self):
        (status, kind, body), _ = asked(GOOD, Accept="text/html,*/*")
        self.assertEqual((status, kind), (200, "text/html; charset=utf-8"))
        self.assertIn("★★★★☆", body.decode())
        self.assertIn("&lt;William&gt;", body.decode())

    def test_trace_headers_are_passed_on_and_nothing_else(self):
        _, seen = asked(GOOD, traceparent="00-1-2-01", tracestate="a=b", baggage="x=y")
        self.assertEqual(seen["reviews"], {"traceparent": "00-1-2-01", "tracestate": "a=b"})

    def test_a_missing_part_is_a_502_that_still_shows_the_rest(self):
        (status, _, body), _ = asked(GOOD | {"reviews": (500, {"error": "broke"})}, Accept="text/html")
        self.assertEqual(status, 502)
        self.assertIn("No reviews just now", body.decode())

    def test_other_pages_do_not_exist(self):
        (status, _, _), _ = asked(GOOD, path="/nothing")
        self.assertEqual(status, 404)


if __name__ == "__main__":
    unittest.main()
