"""The directory of a run: all its files are old or all new, never half-written.

`RunDirectory` takes the directory and says how the run ended; `audit.api.audit_output` and `comparison_output` fill it, and `manifest` says
which files belong together.
"""
