"""Finished audits in, what changed between their models out: `sides.read` reads them, `engine.compare` compares them."""
