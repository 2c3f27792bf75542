"""Linear probes on frozen embeddings: accuracy by group after learning from a few images."""

from audit.extension import Analysis, Extension

EXTENSION = Extension(
    "few_shot",
    analyses=(
        Analysis(
            "few_shot",
            field="few_shot",
            title="What a few examples teach",
            place=17,
            template="few_shot/few_shot",
            record="audit.extensions.few_shot.record:FewShot",
            plan="audit.analyses.plans:FewShotPlan",
            computation="audit.extensions.few_shot.computation",
            section="audit.extensions.few_shot.section",
            sentences="audit.extensions.few_shot.sentences",
        ),
    ),
    templates="audit.extensions.few_shot",
)
