"""Sets of images that differ in one attribute: how the answers change."""

from audit.extension import Analysis, Extension

EXTENSION = Extension(
    "counterfactual_sets",
    analyses=(
        Analysis(
            "counterfactual_sets",
            field="counterfactual_sets",
            title="Same scene, another person",
            place=8,
            template="counterfactual_sets/counterfactual_sets",
            record="audit.extensions.counterfactual_sets.record:CounterfactualSets",
            plan="audit.analyses.plans:CounterfactualSetsPlan",
            computation="audit.extensions.counterfactual_sets.computation",
            section="audit.extensions.counterfactual_sets.section",
            sentences="audit.extensions.counterfactual_sets.sentences",
        ),
    ),
    templates="audit.extensions.counterfactual_sets",
)
