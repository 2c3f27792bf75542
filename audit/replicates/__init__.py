"""Audits of several checkpoints or seeds in, what they say as one model out: `combine.replicates`. Each keeps its own verdict."""
