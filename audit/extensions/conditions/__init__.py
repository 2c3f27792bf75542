"""The same images under several conditions: changed, attacked, or asked about with other prompts."""

from audit.extension import Analysis, Extension

EXTENSION = Extension(
    "conditions",
    analyses=(
        Analysis(
            "conditions",
            field="conditions",
            title="The same images, other conditions",
            place=15,
            template="conditions/conditions",
            record="audit.analyses.records:Conditions",
            plan="audit.analyses.plans:ConditionsPlan",
            computation="audit.extensions.conditions.computation",
            section="audit.extensions.conditions.section",
            sentences="audit.extensions.conditions.sentences",
        ),
    ),
    templates="audit.extensions.conditions",
)
