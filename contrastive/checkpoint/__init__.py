"""Checkpoints, read without running code from them: `file.load` and `file.save` for a `Checkpoint`, `shards` for sharded state."""
