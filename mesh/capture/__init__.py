"""Capture: rules in the kernel that lead an application's TCP connections to its sidecar, without its knowing.

`python -m mesh.capture` is what the init container of a captured pod runs; it imports the standard library only.
`options` says what is captured, `nftables` and `iptables` write it as rules (pure), `kernel` loads and checks them.
Neighbours: mesh.translation.captured (the listeners the packets arrive at), mesh.injection (starts this in pods).
"""
