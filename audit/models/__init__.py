"""A model spec in, an encoder out. Weights are read by our own readers; no code of a stranger runs."""
