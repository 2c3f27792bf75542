"""Many audits at a glance. In: a folder with finished audits. Out: one page with a row for each, sortable by any column."""

from audit.extension import Command, Extension

EXTENSION = Extension(
    "index",
    commands=(Command("index", "one page over many audits, sortable", "audit.extensions.index.command:main"),),
    templates="audit.extensions.index",
)
