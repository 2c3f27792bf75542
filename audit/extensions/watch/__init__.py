"""Watching predictions that grow. In: a table that gains rows, or a folder that gains tables. Out: an alarm, watch.json and a page."""

from audit.extension import Command, Extension, FactsFile

EXTENSION = Extension(
    "watch",
    commands=(
        Command(
            "watch", "an alarm, valid at every look, when a gap in growing predictions is too large", "audit.extensions.watch.command:main"
        ),
    ),
    files=(
        FactsFile(
            "watch.json",
            page="watch.html",
            written_by="a watch",
            fix="look again",
            record="audit.extensions.watch.record:WATCH_FILE",
            render="audit.extensions.watch.page:render_watch",
        ),
    ),
    functions={"watch": "audit.extensions.watch.look:watch"},
    templates="audit.extensions.watch",
)
