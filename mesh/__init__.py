"""Mesh: the control plane. Sources and wire meet only in `mesh.model`; translation is pure.

Knows neither delivery nor pipelines; could be taken out and used alone.
"""
