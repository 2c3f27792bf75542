"""Every class of `results.json` and `comparison.json`: facts in, strict frozen records out, and JSON of them; no sentence."""
