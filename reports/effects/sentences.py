"""Sentences and captions about differences of scores and trends of rates."""

from __future__ import annotations

from audit.records.effect import EffectKind, EffectResult
from audit.results import AuditResult
from audit.types import Settings
from reports.text.effects import planned_effects, signals_line, verdict_sentence
from reports.text.missing_truth import MISSING_TAG
from reports.text.numbers import exact_points, in_words

WHERE = "scores and trends"
"""Name of this analysis in a list of analyses with differences beyond chance."""
ASKED = (
    "Questions that one number answers. Scores: if one image of each of two groups is drawn at random, how often does the first have the "
    "higher score? No threshold is needed. Trends: how does a rate change from one level of an ordered attribute to the next?"
)
READING = "Dot: the estimate. Bar: its interval, simultaneous over the pairs of the question. Line: no difference."
CAPTIONS: dict[EffectKind, str] = {
    "superiority": "How often an image of the first group has the higher score than one of the second, in percent",
    "trend": "Change of the rate from one level to the next, in points",
}
METHOD = (
    "Scores: area under the ROC curve of the score (Mann-Whitney), ties half; DeLong’s variance, with clusters summed by cluster, with "
    "weights linearised; Wilson’s interval with the effective number of comparisons; p of m pairs: m times the smallest. Where true "
    "answers are known, only images with the same one are compared. Trends: least squares over the images; interval from those of the "
    "rates (MOVER), test of Cochran and Armitage. Planned questions are corrected with all planned questions of the audit (Holm), others "
    "among themselves (Benjamini-Hochberg)."
)


def line(audit: AuditResult, settings: Settings) -> str:
    """Return the line about questions that were not planned in summary and terminal, which list the planned ones themselves."""
    return signals_line(audit, settings)


def result(audit: AuditResult, settings: Settings) -> str:
    """Say how many planned questions show what, and state the first; without planned ones, count the signals."""
    planned = planned_effects(audit)
    if not planned:
        signals = sum(effect.verdict == "signal" for effect in audit.effects)
        return (
            f"{signals or 'None'} of {in_words(len(audit.effects), 'exploratory question')} {'is' if signals < 2 else 'are'} beyond chance."
        )
    verdicts = [effect.verdict for effect in planned]
    counted = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))
    return f"Of {in_words(len(planned), 'planned question')}: {counted}. {verdict_sentence(planned[0], settings)}"


def status(effect: EffectResult) -> str:
    """Return verdict, whether it was planned, and the tolerance of a planned question."""
    verdict = f"{effect.verdict} ({MISSING_TAG})" if effect.withheld else effect.verdict
    return f"{verdict}, tolerance {exact_points(effect.tolerance)}" if effect.primary else f"{verdict}, not planned"


def group_note(effect: EffectResult) -> str:
    """Return the two groups, or the first and the last level, of the leading effect."""
    leading = effect.leading
    return "" if leading is None else f"{leading.first} {'above' if effect.kind == 'superiority' else 'to'} {leading.second}"
