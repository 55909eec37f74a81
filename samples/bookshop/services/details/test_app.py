"""Tests of details, run by the pipeline: `python3 -m unittest`."""

import json
import unittest
from unittest import mock

import app


class Details(unittest.TestCase):
    def asked(self, status, ratings, **headers):
        with mock.patch.object(app.web, "get", return_value=(status, ratings)) as get:
            code, _, body = app.answer("/", headers)
        return code, json.loads(body), get.call_args.args[1]

    def test_facts_with_rank(self):
        code, document, carried = self.asked(200, {"stars": 5}, baggage="a=b", traceparent="x")
        self.assertEqual((code, document["rank"]), (200, "no. 1 this week"))
        self.assertEqual(document["version"], app.VERSION)
        self.assertEqual(carried, {"baggage": "a=b"})

    def test_facts_without_rank(self):
        code, document, _ = self.asked(0, {"error": "away"})
        self.assertEqual(code, 200)
        self.assertNotIn("rank", document)


if __name__ == "__main__":
    unittest.main()
