"""One weight format per file: `SUFFIXES` and `read(path)`, which returns `strictio.weights.contents.Contents`; found by its suffix."""
