"""Whether the model understands the language of the questions; and the CSV table."""

from __future__ import annotations

from dataclasses import dataclass

from audit.extensions.language import sentences
from audit.extensions.language.record import LanguageCheck, TextContrast
from audit.results import Results
from reports.context import AuditContext
from reports.table import Row, Table
from reports.text.numbers import count, percent
from reports.tidy import AUDIT, Columns, TidyTable, tidy


@dataclass(frozen=True)
class CheckedLanguage:
    """One language."""

    code: str
    result: str
    texts: tuple[TextContrast, ...]
    images: Table | None
    withheld: tuple[str, ...]


@dataclass(frozen=True)
class LanguageView:
    """Whether the model understands the languages of an audit."""

    asked: str
    agreement: str
    images: str
    """How images are used; empty without images."""
    languages: tuple[CheckedLanguage, ...]


def view(context: AuditContext) -> LanguageView | None:
    """Return the checks of an audit's language, or None."""
    checks = context.audit.analyses["language_checks"]
    if not checks:
        return None
    images = sentences.IMAGES if any(check.images for check in checks) else ""
    return LanguageView(sentences.ASKED, sentences.AGREEMENT, images, tuple(map(_checked, checks)))


def _checked(check: LanguageCheck) -> CheckedLanguage:
    rows = tuple(
        Row(
            (
                contrast.name,
                count(contrast.images),
                percent(contrast.right, 1),
                percent(contrast.low, 1),
                percent(contrast.english, 1),
                sentences.image_words(contrast),
            )
        )
        for contrast in check.images
    )
    heads = ("On images", "Images", "Right", "At least", "In English", "Result")
    table = Table("Check on images", f"Share of right answers of the prompts in {check.language}; chance is 50 %", heads, rows)
    return CheckedLanguage(check.code, sentences.understood_sentence(check), check.texts, table if rows else None, check.withheld)


_OWN: Columns = {
    "language": "check.language", "understood": "check.understood", "name": "each.name", "first_text": "first", "second_text": "second",
    "people": "each.people", "right": "each.right",
}  # fmt: skip


def table(results: Results) -> TidyTable:
    """Return one row per pair of words."""
    rows = (
        (audit, {"check": check, "each": contrast, "first": contrast.texts[0], "second": contrast.texts[1]})
        for audit in results.audits
        for check in audit.analyses["language_checks"]
        for contrast in check.texts
    )
    return tidy((AUDIT, _OWN), rows)
