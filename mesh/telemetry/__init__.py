"""Telemetry: exact counts by version, pushed by the proxies themselves over OTLP; no metrics store needed."""
