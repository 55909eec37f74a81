"""The embedded stack: what `colorlane up` starts on one machine, and the supervisor that keeps it running.

description   pure: which processes there are, how each starts, when it is ready, in which order
addresses     ports: those of the settings must be free, the inner ones are chosen once and remembered
gateway       its bootstrap; becoming Envoy when started alone
redis_server  where a redis-server is
readiness     asking a process whether it is ready
leftovers     the lock against a second `up`, and what a killed one left running
supervisor -> stack
"""

from delivery.embedded.stack import Stack

__all__ = ["Stack"]
