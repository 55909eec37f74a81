"""Policy: who may open which door: pure rules (callers, doors), and the API server's word (tokens_kubernetes)."""
