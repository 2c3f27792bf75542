"""Where every mark of a chart stands: facts in, places out."""
