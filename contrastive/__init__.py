"""Contrastive (CLIP) training: turns captioned images into a self-describing checkpoint."""
