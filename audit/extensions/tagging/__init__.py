"""Whose images get which labels above a threshold."""

from audit.extension import Analysis, Extension

EXTENSION = Extension(
    "tagging",
    analyses=(
        Analysis(
            "tagging",
            field="taggings",
            title="Who gets which labels",
            place=5,
            template="tagging/tagging",
            record="audit.extensions.tagging.record:Tagging",
            plan="audit.analyses.plans:TaggingPlan",
            computation="audit.extensions.tagging.computation",
            section="audit.extensions.tagging.section",
            sentences="audit.extensions.tagging.sentences",
            reads="tags",
        ),
    ),
    templates="audit.extensions.tagging",
)
