"""Many audits at a glance: one page for all audits in a folder, one row per audit, sortable by any column."""
