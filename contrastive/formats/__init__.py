"""Other programs' models: `initial.read_model` takes a path and returns a `Checkpoint`, `convert.convert` takes weights already read.

`exports` writes a checkpoint for other programs. Imported only when such a file is used.
"""
