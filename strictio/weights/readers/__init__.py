"""One format of weights a file: `SUFFIXES` and `read(path)`, which returns `strictio.weights.contents.Contents`; found by its suffix."""
