"""A training run, from its `Config` to its checkpoint: `inputs` opens, `loop` runs, `checkpointing` writes, `doctor` looks before it."""
