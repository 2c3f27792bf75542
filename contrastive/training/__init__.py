"""A training run: a configuration in, checkpoints and a log out."""
