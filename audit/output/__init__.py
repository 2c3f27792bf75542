"""The directory that a run leaves: facts in, files out, each old or new and never half-written."""
