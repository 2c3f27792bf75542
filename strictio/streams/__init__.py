"""Bytes behind URLs and in tar files: which addresses are opened, how fast a server must be, how long a header may be."""
