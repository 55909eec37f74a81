"""Serving: the wire side. Protocol state of one stream (pure), who has accepted what, and the gRPC server."""
