"""Checkpoints, read without running anything from them: `file.load` and `file.save` of a `Checkpoint`, `shards` of state in pieces.

`torch_file.read_archive` takes any torch file and returns its tensors and a nested table, in which unknown classes are opaque values.
"""
