"""Controller: a door for people with kubectl. Rows are shown as custom resources; what is asked there is carried out.

The database stays the truth: every object can be deleted and comes back. mirror (pure: rows to objects), asked (pure:
what an object asks), changes (pure: what to write), reconcile (the shell), objects (its port on the API server).
Neighbours: flows.operate_rollout, flows.operate_environment; the API is the same door with another key.
"""
