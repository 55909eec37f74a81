"""Operating-system processes as nouns: who one is, how it starts, how its end is seen, how it is stopped.

Used by `adapters.platform_local` (applications and sidecars) and `embedded` (the stack's own processes). Linux only.
Knows nothing of workloads, the mesh or delivery.
"""
