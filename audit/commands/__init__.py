"""The small commands of ``vlm-audit``; the large ones are `audit.run` and `audit.compare`."""
