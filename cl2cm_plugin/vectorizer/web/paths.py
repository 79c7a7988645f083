"""Where the facts are: the paths that are asked with GET."""

from __future__ import annotations

LIVE = "/.well-known/live"
READY = "/.well-known/ready"
META = "/meta"
METRICS = "/metrics"
OPENAPI = "/openapi.json"
