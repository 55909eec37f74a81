"""Images: container images made, read, pushed and kept without a container engine.

`references` names them, `model` has manifests and configurations as data, `layers` packs a tree, `assemble` puts it on
a base, `archive` writes and reads image files, `registry` (with `credentials` and `tokens`) speaks the OCI distribution
protocol, `pull` and `push` are its two uses, `blobs` keeps what was downloaded, `beside` runs all that while asked.
"""
