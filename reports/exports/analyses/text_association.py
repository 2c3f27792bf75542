"""Text associations: one row each."""

from __future__ import annotations

from audit.results import Results
from reports.exports.tidy import AUDIT, Columns, TidyTable, tidy

FIELD = "text_associations"
_OWN: Columns = {
    "question": "each.question", **{name: name for name in ("first_texts", "second_texts", "first_words", "second_words")},
    "effect_size": "each.effect_size", "concepts_low": "each.concepts.low", "concepts_high": "each.concepts.high",
    **{name: f"each.{name}" for name in ("p_permuted", "exact", "p_concepts", "p", "p_adjusted", "verdict")},
}  # fmt: skip


def table(results: Results) -> TidyTable:
    """Return one row a text association; a positive effect size: the first texts are nearer to the first words."""
    rows = (
        (
            audit,
            {
                "each": text_association,
                **dict(
                    zip(
                        ("first_texts", "second_texts", "first_words", "second_words"),
                        text_association.targets + text_association.words,
                        strict=True,
                    )
                ),
            },
        )
        for audit in results.audits
        for text_association in audit.text_associations
    )
    return tidy((AUDIT, _OWN), rows)
