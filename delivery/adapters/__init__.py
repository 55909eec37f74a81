"""Adapters: the real sides of the ports, named <port>_<vendor>."""
