"""Command line: `colorlane`. Talks to the HTTP API like any other program

only `up`, `demo`, `lint` and `simulate` work alone.

Neighbours: `delivery.__main__` (runs `app.main`), `delivery.api` (what is asked over HTTP).
"""
