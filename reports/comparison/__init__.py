"""The page of a comparison. One module per section, with a template of the same name."""
