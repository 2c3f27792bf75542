"""Paired changes between models, and along the checkpoints of one run: finished audits in, changes out."""
