"""Architectures of open_clip: loads a name and weights, or a folder, into an encoder (`encoder.load`, `encoder.load_folder`)."""
