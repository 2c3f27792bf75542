"""Bytes behind paths and URLs: at any place of a file (`sources`), or a whole file to the disk (`fetch`); tar files by their members.

`urls` decides which addresses are opened and how fast a server must be; `braces` expands names.
"""
