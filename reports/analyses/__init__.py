"""What an audit asked besides its measurements, one folder per kind: view and table, sentences, and the template."""
