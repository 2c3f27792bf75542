"""Whose images queries retrieve first."""

from audit.extension import Analysis, Extension

EXTENSION = Extension(
    "ranking",
    analyses=(
        Analysis(
            "ranking",
            field="rankings",
            title="Who ranks first",
            place=10,
            template="ranking/ranking",
            record="audit.extensions.ranking.record:Ranking",
            plan="audit.analyses.plans:RankingPlan",
            computation="audit.extensions.ranking.computation",
            section="audit.extensions.ranking.section",
            sentences="audit.extensions.ranking.sentences",
        ),
    ),
    templates="audit.extensions.ranking",
)
