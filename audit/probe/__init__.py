"""Reads custom probes from Python files before an audit, and reports every mistake in them with file and line.

`file` runs the file, `check` validates its probe.
"""
