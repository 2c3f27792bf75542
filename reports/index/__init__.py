"""Many audits at a glance: directories in, one page out, a row an audit, sorted by whatever is asked."""
