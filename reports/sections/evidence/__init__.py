"""Supporting evidence, one kind a module: one audit in, what each template prints out."""
