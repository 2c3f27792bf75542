"""Facts in, the directory of a run out: each file old or new, never half-written.

`RunDirectory` takes the directory and says how the run ended; `audit.write` and `comparison.write` fill it.
"""
