"""Architectures of open_clip: a name and weights, or a folder, go in, an encoder comes out (`encoder.load`, `encoder.load_folder`)."""
