"""Pipelines: a repository's `colorlane.yaml` becomes a plan, the plan becomes jobs, jobs become artifacts.

Knows neither delivery nor mesh; could be taken out and used alone.
"""
