"""Combines audits of several checkpoints or seeds as one model: `combine.replicates`. Each keeps its own verdict."""
