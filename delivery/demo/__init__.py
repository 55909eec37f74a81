"""Demo: plays the whole life of a change against the embedded stack with real traffic, and checks every claim.

`story` has the chapters, `claims` what was claimed and seen, `load` the users' requests, `workspace` the
developer's working copy, `console` how it is told. Only public doors are used: git, the HTTP API, the gateway.
"""

from delivery.demo.story import play

__all__ = ["play"]
