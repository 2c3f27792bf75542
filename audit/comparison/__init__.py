"""Compares the models of finished audits: `sides.read` reads them, `engine.compare` compares them."""
