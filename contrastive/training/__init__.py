"""A training run, from `Config` to checkpoint: `inputs` opens data, `loop` runs steps, `checkpointing` saves, `doctor` checks first."""
