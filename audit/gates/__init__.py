"""Gates, from their text to their outcome on results: `parse.parse`, `parse.resolve_gate`, `decide.decide`."""
