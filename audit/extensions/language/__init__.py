"""Whether the model understands the language of the questions, a precondition of all others."""

from audit.extension import Analysis, Extension

EXTENSION = Extension(
    "language",
    analyses=(
        Analysis(
            "language",
            field="language_checks",
            title="Is the language understood?",
            place=5,
            template="language/language",
            record="audit.extensions.language.record:LanguageCheck",
            plan="audit.analyses.plans:LanguagePlan",
            computation="audit.extensions.language.computation",
            section="audit.extensions.language.section",
            sentences="audit.extensions.language.sentences",
        ),
    ),
    templates="audit.extensions.language",
)
