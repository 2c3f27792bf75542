"""One format of weights a file: `SUFFIXES` and `read(path)`, which returns `contrastive.formats.contents.Contents`; found by its suffix."""
