"""Gates as words and results in, breached, held or inconclusive out: `parse.parse`, `parse.resolve_gate`, `decide.decide`."""
