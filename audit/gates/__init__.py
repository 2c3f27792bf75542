"""Gates as words and results in, how each ended out: `parse.parse`, `parse.resolve_gate`, `decide.decide`."""
