"""A probe before it is asked: a Python file of the user's own in, its probe out, every mistake in it named with file and line.

`file` runs and reads it, `check` looks at what it says.
"""
