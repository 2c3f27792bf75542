"""Architectures of open_clip: a name and weights in, an encoder out."""
