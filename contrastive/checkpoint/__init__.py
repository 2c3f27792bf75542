"""Checkpoints, read without running anything from them: `file.load` and `file.save` of a `Checkpoint`, `shards` of state in pieces."""
