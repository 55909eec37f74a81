"""Model: what the mesh knows (nouns, world) and what follows from it for routing (lanes). Pure; no I/O, no clock."""
