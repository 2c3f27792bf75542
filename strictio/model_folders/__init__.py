"""Model folders of strangers: which files, links, keys, names and sizes may be in them, checked before a library opens one."""
