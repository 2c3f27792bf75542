"""Which words are used about whom in written texts."""

from audit.extension import Analysis, Extension

EXTENSION = Extension(
    "word_rates",
    analyses=(
        Analysis(
            "word_rates",
            field="word_rates",
            title="Which words are used about whom",
            place=4,
            template="word_rates/word_rates",
            record="audit.extensions.word_rates.record:WordRates",
            plan="audit.analyses.plans:WordRatePlan",
            computation="audit.extensions.word_rates.computation",
            section="audit.extensions.word_rates.section",
            sentences="audit.extensions.word_rates.sentences",
            reads="texts",
        ),
    ),
    templates="audit.extensions.word_rates",
)
