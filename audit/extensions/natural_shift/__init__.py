"""Accuracy on images from natural conditions other than the standard one."""

from audit.extension import Analysis, Extension

EXTENSION = Extension(
    "natural_shift",
    analyses=(
        Analysis(
            "natural_shift",
            field="natural_shifts",
            title="Images of other conditions",
            place=14,
            template="natural_shift/natural_shift",
            record="audit.extensions.natural_shift.record:NaturalShift",
            plan="audit.analyses.plans:NaturalShiftPlan",
            computation="audit.extensions.natural_shift.computation",
            section="audit.extensions.natural_shift.section",
            sentences="audit.extensions.natural_shift.sentences",
            beside="audit.extensions.natural_shift.beside",
        ),
    ),
    templates="audit.extensions.natural_shift",
)
