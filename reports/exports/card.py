"""Compact cards for a notebook: verdict and first findings, or changes, in a few lines of HTML without style sheet or script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from audit.records.comparison import Comparison, Comparisons
from audit.results import AuditResult, Results
from audit.types import Settings
from reports.text import changes, comparison_headline, phrases, sentences
from reports.text import comparison as comparison_text
from reports.text.error_rates import comparisons_as_errors
from reports.text.headline import headline_of
from reports.text.numbers import clean, in_words
from reports.text.order import planned
from reports.text.plan_lock import lock_sentences

_MOST = 4


def card(results: Results) -> str:
    """Return the card of `results` as an HTML fragment; every untrusted string is escaped."""
    cards = [_audit(audit, results) for audit in results.audits]
    return "".join([*cards, f"<p>{_text(phrases.intervals(results.settings.alpha))}</p>"])


def changes_card(facts: Comparisons) -> str:
    """Return the card of a comparison as an HTML fragment; every untrusted string is escaped."""
    facts = comparisons_as_errors(facts)
    primary = [(trajectory, series) for series in facts.series for trajectory in series.trajectories if trajectory.primary]
    followed = [f"{comparison_text.title(trajectory)}: {changes.trajectory_reason(trajectory, series)}" for trajectory, series in primary]
    over = "models" if comparison_text.axis_of(facts) else "checkpoints"
    steps = f"<p>Over {len(facts.sides)} {over}:</p>{_list(followed)}" if followed else ""
    return "".join([*(_comparison(comparison, facts.settings) for comparison in facts.comparisons), steps])


def _audit(audit: AuditResult, results: Results) -> str:
    primary = planned(audit.findings)
    headline = headline_of(audit, results.settings)
    first, *deviations = lock_sentences(audit, results) or [""]
    lock = f"<p>{_text(first)}</p>{_list(deviations, len(deviations)) if deviations else ''}" if first else ""
    return (
        f"<div><p><strong>{_text(f'{audit.model.name} · {audit.probe.name}: {headline.verdict_line}')}.</strong> {_text(headline.text)}</p>"
        f"{lock}{_list([sentences.headline(finding, audit) for finding in primary])}"
        f"<p>Not tested: {_text('; '.join(audit.probe.not_tested))}.</p></div>"
    )


def _comparison(compared: Comparison, settings: Settings) -> str:
    primary = sorted((change for change in compared.changes if change.primary), key=comparison_text.by_weight)
    verdict = comparison_headline.comparison_sentence(compared, settings)
    word = " ".join(filter(None, (verdict.whole, f"{verdict.word}.")))
    return (
        f"<div><p><strong>{_text(compared.after)} against {_text(compared.before)} · {_text(compared.probe)}: {_text(word)}</strong> "
        f"{_text(verdict.of_groups)} {_text(changes.comparison_reason(compared, settings))}</p>"
        f"{_list([comparison_text.headline(finding) for finding in primary])}</div>"
    )


def _list(lines: Sequence[str], most: int = _MOST) -> str:
    more = f"<p>and {in_words(len(lines) - most, 'more question')}</p>" if len(lines) > most else ""
    return f"<ul>{''.join(f'<li>{_text(line)}</li>' for line in lines[:most])}</ul>{more}"


def _text(text: str) -> str:
    return escape(clean(text))
