"""Every class of `results.json` and `comparison.json`. Frozen: a wrong type, an unknown field or a NaN is refused."""
