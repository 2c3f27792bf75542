"""Sentences about whether a model understands a language."""

from __future__ import annotations

from audit.extensions.language.record import ImageContrast, LanguageCheck
from audit.results import AuditResult
from audit.types import Settings
from reports.text.numbers import count, percent

WHERE = "a check of the language"
"""Name of this analysis in a list of analyses with differences beyond chance."""
ASKED = (
    "Before any question in a language, the model must show that it understands it. Pairs of words are compared with their English "
    "translations; a pair is right if both words together are closer to their own translations than to each other’s. By chance, half of "
    "the pairs are right."
)
AGREEMENT = "The check compares with English: a model that reads this language but no English does not pass it."
IMAGES = (
    "On images whose right answer is known, the prompts must be right more often than chance (the lower bound of the 95 % interval is "
    "above 50 %), and at least half as far above 50 % as the English prompts."
)


def understood_sentence(check: LanguageCheck) -> str:
    """Say whether the language is understood."""
    about = [contrast for contrast in check.texts if contrast.people]
    right, people = sum(contrast.right for contrast in check.texts), sum(contrast.right for contrast in about)
    pairs = f"{count(right)} of {count(len(check.texts))} pairs of words are right, {count(people)} of the {count(len(about))} about people"
    need = f"({percent(check.needed)} of each are needed)"
    if check.understood:
        return f"{check.language}: understood. {pairs} {need}."
    failed = [contrast.name for contrast in check.images if not contrast.passed]
    images = f" On images, it fails to distinguish {' and '.join(failed)}." if failed else ""
    return f"{check.language}: not understood. {pairs} {need}.{images} No difference in {check.language} is reported."


def not_understood(audit: AuditResult) -> str:
    """Say why no question of the audit is answered; empty if the language is understood, or there is only English."""
    names = [check.language for check in audit.analyses["language_checks"] if not check.understood]
    return f"{names[0]}: not understood. No difference is reported." if names else ""


def line(audit: AuditResult, settings: Settings) -> str:
    """Return the line about the language in summary and terminal."""
    return " ".join(map(understood_sentence, audit.analyses["language_checks"]))


def image_words(contrast: ImageContrast) -> str:
    """Return what a row of the images says besides its numbers."""
    return "passed" if contrast.passed else "failed"
