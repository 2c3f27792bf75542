"""Supporting evidence on the page, one module and template per kind: `TITLE`, `PLACE` (its position), and `view(context)`."""
