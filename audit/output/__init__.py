"""Facts in, the directory of a run out: all its files old or all new, never half-written.

`RunDirectory` takes the directory and says how the run ended; `audit.write` and `comparison.write` fill it, and `manifest` says
which files belong together.
"""
