"""Supporting evidence, one kind a file: a decided audit in (`inputs`), records out, added by `collect.add_evidence`. It decides no verdict.

A kind is found by the name of its field in `audit.records.evidence`: `by_finding`, `by_measurement` or `of_audit` computes it.
"""
