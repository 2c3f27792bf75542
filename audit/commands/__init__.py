"""The small commands of ``vlm-audit``; the large ones are `audit.run`, `audit.compare` and `audit.embed`."""
