"""The analyses of an audit besides its measurements, one folder per kind: view and table, sentences, and template."""
