"""Ports: what delivery asks of the world, as Protocols with written contracts.

Each has a real side under `delivery.adapters` and an in-memory side under `tests/fakes`; one suite in
`tests/contracts` passes on both.
"""
