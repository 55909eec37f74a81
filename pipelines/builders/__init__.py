"""Builders: how a job's commands are run. `process` runs them as processes of the worker's user, under `guard`."""
