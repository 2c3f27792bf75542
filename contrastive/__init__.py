"""Contrastive (CLIP) training: captioned images into a checkpoint that describes itself."""
