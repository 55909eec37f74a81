"""Facts about the book. Asks ratings for the rank, and passes on `baggage` only, as some client libraries do."""

import web

FACTS = {"year": 1594, "pages": 200, "publisher": "First Folio", "isbn": "978-0-14-101489-7"}
VERSION = web.version()
AUTHOR = web.behaviour()["text"]


def answer(path, headers):
    """Answer one request. Without the rank the facts are still worth having."""
    document = {"service": "details", "version": VERSION, "author": AUTHOR} | FACTS
    status, ratings = web.get("http://ratings:9080/", web.kept(headers, ("baggage",)))
    if status == 200 and "stars" in ratings:
        document["rank"] = f"no. {6 - ratings['stars']} this week"
    return web.as_json(document)


if __name__ == "__main__":
    web.serve(answer)
