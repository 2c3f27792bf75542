"""Which groups' images are closer to which words, or to which of two sets of images."""

from audit.extension import Analysis, Extension

EXTENSION = Extension(
    "association",
    analyses=(
        Analysis(
            "association",
            field="associations",
            title="Which groups are close to which words",
            place=20,
            template="association/association",
            record="audit.extensions.association.record:AssociationTest",
            plan="audit.analyses.plans:AssociationPlan",
            computation="audit.extensions.association.computation",
            section="audit.extensions.association.section",
            sentences="audit.extensions.association.sentences",
        ),
    ),
    templates="audit.extensions.association",
)
