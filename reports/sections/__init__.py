"""One file a section of the page: facts in, the values its template prints out."""
