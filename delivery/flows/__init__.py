"""Flows: one use case a file. Each may be lost, doubled or killed in the middle; doing it again ends the same.

A flow gets a `World` (the ports) and ids, reads rows, asks the pure core, performs effects, and saves last.
"""
