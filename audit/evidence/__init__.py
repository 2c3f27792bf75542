"""Supporting evidence, one kind per file with its record: computed from decided findings (`base`). It affects no verdict.

A kind has the name of its field in `audit.results`: `by_finding`, `by_measurement` or `of_audit` computes it.
"""
