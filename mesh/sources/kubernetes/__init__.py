"""Registry from a Kubernetes cluster: objects are watched, trimmed, and become endpoints of the mesh.

reflector (list and watch) -> objects (what is kept of them) -> catalogue (objects in, endpoints out) -> registry.
"""
