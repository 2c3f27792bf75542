"""Supporting evidence, one kind per file with its record: decided findings in (`base`), records out. It decides no verdict.

A kind is found by the name of its field in `audit.results`: `by_finding`, `by_measurement` or `of_audit` computes it.
"""
