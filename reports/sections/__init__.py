"""The report of an audit. One module per section, with a template of the same name."""
