"""A second implementation of what an audit reports: recomputes `results.json` from `predictions.parquet`, and compares.

It shares no code with the other packages, uses NumPy, SciPy, PyArrow and the standard library, and follows ``docs/method.md``. In reading
order: `command` (what is done, and how it ends), `ledger` (what "agrees" means), `source` (a folder or an archive), `folder` (files and
hashes), `answers` (rows to counts), `formulas` (intervals, adjustments), `images`, `clusters` and `within` (sampling units and their
tests), `finding` (one question), `verdicts`, `looks`, `paired`, `audit` (a file of results), `comparison`.
"""
