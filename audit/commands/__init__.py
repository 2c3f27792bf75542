"""The small commands of ``vlm-audit``: words in, lines out; `audit.run`, `audit.compare` and `audit.embed` are those that work."""
