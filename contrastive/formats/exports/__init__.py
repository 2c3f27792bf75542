"""One form of export a module, each with ``check``, ``write`` (a checkpoint -> a folder) and ``reader`` (the folder -> its features)."""
