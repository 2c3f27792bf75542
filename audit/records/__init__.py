"""The classes of `results.json` and `comparison.json`: strict, frozen records of facts, and their JSON; no sentences."""
