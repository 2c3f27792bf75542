"""The page of a comparison: comparisons in, the page with its sections out. One module a section, its template of the same name."""
