"""Supporting evidence on the page, one kind a module with its template: `TITLE`, `PLACE` among the others, and `view(context)`."""
