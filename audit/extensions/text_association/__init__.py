"""Which texts are near to which words for the text tower."""

from audit.extension import Analysis, Extension

EXTENSION = Extension(
    "text_association",
    analyses=(
        Analysis(
            "text_association",
            field="text_associations",
            title="Which texts are close to which words",
            place=25,
            template="text_association/text_association",
            record="audit.extensions.text_association.record:TextAssociation",
            plan="audit.analyses.plans:TextAssociationPlan",
            computation="audit.extensions.text_association.computation",
            section="audit.extensions.text_association.section",
            sentences="audit.extensions.text_association.sentences",
        ),
    ),
    templates="audit.extensions.text_association",
)
