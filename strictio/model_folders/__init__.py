"""Untrusted model folders: which files, links, keys, names and sizes they may contain, checked before a library opens one."""
