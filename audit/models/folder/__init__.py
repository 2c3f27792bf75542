"""A model folder is untrusted data: what may be in it, what its configurations may say, and its weights, read without running anything."""
