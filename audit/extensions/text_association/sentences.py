"""Sentences and captions about text associations: which texts are closer to which words than neutral texts are."""

from __future__ import annotations

from audit.extensions.text_association.record import TextAssociation
from audit.results import AuditResult
from audit.types import Settings
from reports.text import phrases
from reports.text.numbers import count, decimal, in_words, p_phrase, percent

WHERE = "associations of texts"
"""Name of this analysis in a list of analyses with differences beyond chance."""
ASKED = (
    "No images were used: two sets of texts are compared by how close the model's text tower puts them to two lists of words. d is the "
    "difference in standard deviations: it says what the tower associates with a text, not what is true of anyone; a d that random sets "
    "of neutral texts also reach shows neither a difference nor its absence."
)
READING = "Dot: d, filled if it is beyond chance. Line and bar: mean and range (19 of 20) of random sets of neutral texts."
METHOD = (
    "d: WEAT’s effect size (Caliskan et al. 2017), positive if the first set is closer to the first words; it is at most 2, and large "
    "for small sets by chance. p: the larger of two, against all (or random) ways to divide the texts of both sets, and against "
    "random sets of neutral texts of the same sizes; adjusted for all text associations (Benjamini-Hochberg). Detectable: the smallest d "
    "that the association alone shows with a power of 80\u00a0%, before that adjustment."
)


def associated_texts(audit: AuditResult) -> tuple[TextAssociation, ...]:
    """Return the associations beyond chance, most significant first."""
    signals = [text_association for text_association in audit.analyses["text_associations"] if text_association.verdict == "signal"]
    return tuple(sorted(signals, key=lambda association: (association.p_adjusted, -abs(association.effect_size or 0.0))))


def text_result(audit: AuditResult, settings: Settings) -> str:
    """Say how many associations are beyond chance, and which is the most significant."""
    signals, total = associated_texts(audit), len(audit.analyses["text_associations"])
    rate = f"false discovery rate {percent(settings.alpha)}"
    of = f"{count(len(signals)) if signals else 'None'} of {in_words(total, 'text association')} ({rate})"
    if not signals:
        return f"{of} is beyond chance: it is undecided whether the sets differ. {_detectable(audit)}".rstrip()
    return f"{of} {'is' if len(signals) == 1 else 'are'} beyond chance. Most significant: {text_sentence(signals[0])}"


def _detectable(audit: AuditResult) -> str:
    """Say which d would be found; nothing for files of earlier versions."""
    known = [association.detectable for association in audit.analyses["text_associations"] if association.detectable is not None]
    if not known:
        return ""
    ends = decimal(min(known), 2) if min(known) == max(known) else f"{decimal(min(known), 2)} to {decimal(max(known), 2)}"
    return f"Each alone would show a d of {ends} with a power of 80\u00a0%."


def detectable_d(association: TextAssociation) -> str:
    """Return the smallest d that an association shows with a power of 80 %."""
    return "none" if association.detectable is None else decimal(association.detectable, 2)


def text_sentence(association: TextAssociation) -> str:
    """Return one association as a sentence: the first set, the words that it is closer to, d and what is expected by chance."""
    near, far = association.words if (association.effect_size or 0.0) >= 0 else association.words[::-1]
    return (
        f"‘{association.targets[0]}’ ({in_words(association.sizes[0], 'text')}) is closer to ‘{near}’ than to ‘{far}’, compared with "
        f"‘{association.targets[1]}’: d\u00a0=\u00a0{decimal(association.effect_size, 2)}; in 19 of 20 random sets of neutral texts "
        f"{by_concepts(association)} (adjusted {p_phrase(association.p_adjusted)})."
    )


def by_concepts(association: TextAssociation) -> str:
    """Return the range of d for 19 of 20 random sets of neutral texts."""
    return f"{decimal(association.concepts.low, 2)} to {decimal(association.concepts.high, 2)}"


def line(audit: AuditResult, settings: Settings) -> str:
    """Return the line about text associations in summary and terminal; if none is beyond chance, only where nothing else was asked."""
    if associated_texts(audit):
        return f"{phrases.NOT_PLANNED}{text_result(audit, settings)}"
    return text_result(audit, settings) if audit.analyses["text_associations"] and not audit.findings else ""


def row_title(association: TextAssociation) -> str:
    """Return the heading of a row."""
    return f"{association.targets[0]} / {association.targets[1]}"


def row_words(association: TextAssociation) -> str:
    """Return the words of a row."""
    return f"{association.words[0]} / {association.words[1]}"
