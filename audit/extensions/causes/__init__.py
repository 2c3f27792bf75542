"""From training data to a gap. In: a plan of models with doses of changed captions. Out: what made the gap, as causes.json and a page."""

from audit.extension import Command, Extension, FactsFile

EXTENSION = Extension(
    "causes",
    commands=(
        Command(
            "causes", "what in the training data made a gap: models with doses of changed captions", "audit.extensions.causes.command:main"
        ),
    ),
    files=(
        FactsFile(
            "causes.json",
            page="report.html",
            written_by="vlm-audit causes",
            fix="run vlm-audit causes again",
            record="audit.extensions.causes.record:FILE",
            render="audit.extensions.causes.page:render_causes",
        ),
    ),
    templates="audit.extensions.causes",
)
