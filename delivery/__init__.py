"""Delivery drives: from a push to a promoted (or rolled back) release.

Neighbours: `pipelines` builds artifacts, `mesh` moves traffic; neither knows delivery.
"""
