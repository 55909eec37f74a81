"""HTTP API of the mesh: what delivery, nodes and people ask of it. JSON; errors are `application/problem+json`."""
