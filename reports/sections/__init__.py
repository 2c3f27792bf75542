"""The report of an audit: results in, the page with its sections out. One module a section, its template of the same name."""
