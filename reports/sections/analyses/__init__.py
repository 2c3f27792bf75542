"""What an audit asked besides its measurements, one kind a module with its template: `TITLE`, `PLACE`, and `view(context)`."""
