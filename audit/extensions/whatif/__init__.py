"""The same measurement on changed embeddings or labels: answers to "what would this audit say if ...", not a fix.

::

    computation   one plan from start to end: every setting is tried and shown
    labels        another label set (a neutral label, prompts over other attributes), or no answer if the model is unsure
    projection    embeddings without a direction, or without some coordinates
    thresholds    a threshold for each group (fairlearn)
    methods       every method with every setting that is tried
    reranking     a search whose results are re-ranked
    compare       the effect of a change on a gap on the same images, and on accuracy
    frontier      gap against accuracy, over everything that was tried

All choices are made on one half of the images and evaluated on the other. The verdict of an audit belongs to the unmodified model.
"""

from audit.extension import Analysis, Extension

EXTENSION = Extension(
    "whatif",
    analyses=(
        Analysis(
            "what_if",
            field="what_ifs",
            title="What if …",
            place=1,
            appendix=True,
            template="whatif/what_if",
            record="audit.extensions.whatif.record:WhatIfs",
            plan="audit.plans:WhatIfPlan",
            computation="audit.extensions.whatif.computation",
            section="audit.extensions.whatif.section",
            sentences="audit.extensions.whatif.sentences",
            methods={
                "neutral-label": "Neutral label",
                "combined-prompts": "Combined prompts",
                "abstention": "Abstention",
                "projection": "Projection",
                "calibrated-projection": "Calibrated projection",
                "dropped-dimensions": "Dropped dimensions",
                "group-thresholds": "Group thresholds",
                "re-ranking": "Re-ranking",
            },
            exports="audit.extensions.whatif.exports",
        ),
    ),
    templates="audit.extensions.whatif",
)
