"""The output directory of a run: all its files are old or all are new, never half-written.

`RunDirectory` locks the directory and records how the run ended; `audit.api.audit_output` and `comparison_output` fill it, and `manifest`
lists which files belong together.
"""
