"""Tables for a terminal of 80 columns: results or comparisons in, lines out."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from audit.records.comparison import Change, Comparison, Comparisons, Series, Trajectory
from audit.records.results import AuditResult, Finding, Results
from reports.exports.markdown import ordinary_spaces
from reports.text import changes, evidence, phrases, replicates, sentences
from reports.text import comparison as comparison_text
from reports.text.gates import gate_rows, gates_sentence
from reports.text.notes import sentence
from reports.text.numbers import clean, in_words, number, p_value, span
from reports.text.order import by_severity, leading, strongest_signals
from reports.text.reasons import audit_reason, ratio_sentences
from reports.text.responsiveness import composition_sentence, equal_gap, look_line
from reports.text.verdicts import comparison_sentence, verdict_sentence

COLUMNS = 80
_MOST_ROWS, _MOST_REPLICATED = 15, 3
_VERDICT, _CHANGE = (66, 13), (54, 24)
"""Columns of a question and of its verdict, in an audit and in a comparison."""


# ---- audits --------------------------------------------------------------------------------------------------------------------------


def audit_lines(results: Results) -> str:
    """Return the pre-specified questions of every audit, the strongest signals outside them, and its verdict in words."""
    blocks = [_audit(audit, results.settings.min_group_size) for audit in results.audits]
    note = "\n".join(wrapped(phrases.intervals(results.settings.alpha)))
    return ordinary_spaces("\n\n".join([*blocks, *_paired_models(results), *_replicates(results), *_gates(results), note]))


def _paired_models(results: Results) -> list[str]:
    paired = results.paired_models
    blocks = []
    for each in paired.comparisons if paired else ():
        verdict, leading_change = comparison_sentence(each), sorted(each.changes, key=comparison_text.by_weight)[:1]
        texts = [f"{verdict.word}. {verdict.sentence} {changes.comparison_reason(each)}", *map(comparison_text.headline, leading_change)]
        blocks.append("\n".join([_cut(comparison_text.which(each)), *(line for text in texts for line in wrapped(text))]))
    notes = [line for note in (paired.notes if paired else ()) for line in wrapped(f"note: {sentence(note)}")]
    return [*blocks, *(["\n".join(notes)] if notes else [])]


def _replicates(results: Results) -> list[str]:
    blocks = []
    for each in results.replicates:
        asked = replicates.ordered(each, results)[:_MOST_REPLICATED]
        texts = [replicates.lead(each, results), *(replicates.question_sentence(*one, results) for one in asked)]
        blocks.append("\n\n".join("\n".join(wrapped(text)) for text in texts))
    return blocks


def _gates(results: Results) -> list[str]:
    if not results.gates:
        return []
    lines = wrapped(gates_sentence(results.gates))
    for audit in results.audits:
        of = f" ({audit.model.name} · {audit.probe.name})" if len(results.audits) > 1 else ""
        for row in gate_rows(results, audit):
            lines += ["", *wrapped(f"{row.word.upper()}  {row.expression}{of}"), *wrapped(row.why)]
    return ["\n".join(lines)]


def _audit(audit: AuditResult, smallest: int) -> str:
    primary = sorted((finding for finding in audit.findings if finding.primary), key=by_severity)
    shown = leading(primary, _MOST_ROWS)
    verdict = verdict_sentence(audit)
    lines = [_cut(f"{audit.model.name} · {audit.probe.name} · {in_words(audit.data.used, 'image')}"), ""]
    lines += [*wrapped(verdict.lead), ""] if verdict.lead else []
    lines += [_wide("metric by attribute", "status", _VERDICT), _narrow("groups", "gap [interval]", "chance"), "-" * COLUMNS]
    lines += [line for finding in shown for line in _finding(finding, audit)]
    signals = strongest_signals(audit.findings)
    lines += _hidden(len(primary) - len(shown), 0, "report")
    lines += ["", *wrapped(sentences.signals_sentence(audit))] if signals else []
    lines += [line for finding in signals for line in _finding(finding, audit)]
    lines += _hidden(0, len(audit.findings) - len(primary) - len(signals), "report", "more " if signals else "")
    lines += [f"and what-ifs to {in_words(len(audit.what_ifs), 'question')}: see the report"] if audit.what_ifs else []
    if any(finding.gap is None for finding in shown):
        enough = f"{in_words(smallest, 'image')}{' in enough clusters' if audit.data.cluster else ''} (--min-group-size)"
        lines += wrapped(f"A question without groups below it has fewer than two with at least {enough}.")
    lines += ["", *wrapped(look_line(audit))] if look_line(audit) else []
    return "\n".join([*lines, "", *wrapped(f"{verdict.word}. {verdict.sentence} {audit_reason(audit)}")])


def _finding(finding: Finding, audit: AuditResult) -> list[str]:
    first = _wide(sentences.title(finding, audit), finding.verdict, _VERDICT)
    if finding.gap is None:
        return [first]
    gap, places = finding.gap, phrases.gap_places(finding)
    order = (gap.lowest, gap.highest) if finding.better == "high" else (gap.highest, gap.lowest)
    groups = ", ".join(phrases.short_rate(finding, group) for group in order)
    second = _narrow(groups, f"{number(gap.value, places)} {span(gap.low, gap.high, places)}", number(gap.null_95, places))
    beside = [*ratio_sentences(finding), *filter(None, [evidence.shift_sentence(finding)])]
    explained = f"  explained by group composition: {equal_gap(finding)} at equal shares of true answers"
    composed = [_cut(explained)] if composition_sentence(finding) else []
    return [first, second, *(f"  {line}" for text in beside for line in wrapped(text, COLUMNS - 2)), *composed]


def _narrow(groups: str, interval: str, chance: str) -> str:
    return f"  {fit(groups, 51)} {fit(interval, 18)} {fit(chance, 7)}".rstrip()


# ---- comparisons ---------------------------------------------------------------------------------------------------------------------


def comparison_lines(comparisons: Comparisons) -> str:
    """Return what changed, and each verdict in words."""
    blocks = [*map(_series, comparisons.series), *map(_comparison, comparisons.comparisons)]
    notes = [line for note in comparisons.notes for line in wrapped(f"note: {sentence(note)}")]
    return ordinary_spaces("\n\n".join([*blocks, *(["\n".join(notes)] if notes else [])]))


def _comparison(comparison: Comparison) -> str:
    primary = sorted((change for change in comparison.changes if change.primary), key=comparison_text.by_weight)
    lines = [_cut(f"{comparison.after} against {comparison.before} · {comparison.probe} · {in_words(comparison.images, 'image')}"), ""]
    lines += [_wide("metric by attribute", "verdict", _CHANGE), "  gap before -> after, change [interval]", "-" * COLUMNS]
    lines += [line for change in primary[:_MOST_ROWS] for line in _change(change)]
    lines += _hidden(len(primary) - _MOST_ROWS, len(comparison.changes) - len(primary), "page")
    verdict = comparison_sentence(comparison)
    overall = f"{verdict.word}. {verdict.sentence} {changes.comparison_reason(comparison)}"
    texts = [overall, comparison_text.images_sentence(comparison), comparison_text.not_compared_sentence(comparison)]
    return "\n".join([*lines, "", *(line for text in texts if text for line in wrapped(text))])


def _change(change: Change) -> list[str]:
    first = _wide(comparison_text.title(change), comparison_text.outcome(change), _CHANGE)
    gap = change.gap
    if gap is None:
        return [first]
    values = f"{phrases.size(gap.before)} -> {phrases.size(gap.after)}, {comparison_text.gap_change_text(change)}"
    return [first, f"  {fit(values, COLUMNS - 2)}".rstrip()]


def _series(series: Series) -> str:
    lines = [_cut(f"step by step · {series.probe} · {in_words(series.images, 'image')}"), ""]
    for trajectory in series.trajectories:
        lines += _trajectory(trajectory, series) if trajectory.primary else []
    return "\n".join(lines).rstrip()


def _trajectory(trajectory: Trajectory, series: Series) -> list[str]:
    lines = [_cut(comparison_text.title(trajectory)), f"{'step':>9}  {'gap [band]':<30} p"]
    lines += [f"{point.step:>9,}  {phrases.size(point.gap):<30} {p_value(point.p)}" for point in trajectory.points]
    return [*lines, *wrapped(changes.trajectory_reason(trajectory, series)), ""]


# ---- lines ---------------------------------------------------------------------------------------------------------------------------


def _hidden(questions: int, others: int, where: str, more: str = "") -> list[str]:
    lines = [f"and {in_words(questions, 'more question')}: see the {where}"] if questions > 0 else []
    return [*lines, *([f"and {in_words(others, f'{more}exploratory comparison')}: see the {where}"] if others else [])]


def _wide(question: str, status: str, columns: Sequence[int]) -> str:
    return f"{fit(question, columns[0])} {fit(status, columns[1])}".rstrip()


def _cut(text: str) -> str:
    return fit(text, COLUMNS).rstrip()


def wrapped(text: str, columns: int = COLUMNS) -> list[str]:
    """Return lines of at most so many columns, broken between words."""
    lines = [""]
    for word in clean(text).split():
        longer = f"{lines[-1]} {word}".lstrip()
        if sum(map(_width, longer)) <= columns:
            lines[-1] = longer
        else:
            lines.append(fit(word, columns).rstrip())
    return lines


def fit(text: str, columns: int) -> str:
    """Return text cut or padded to a number of columns; wide characters take two."""
    kept, used = "", 0
    text = " ".join(clean(text).split(" "))
    whole = sum(map(_width, text))
    for character in text:
        if used + _width(character) > columns - (whole > columns):
            break
        kept, used = kept + character, used + _width(character)
    return kept + "…" + " " * (columns - used - 1) if whole > columns else kept + " " * (columns - used)


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
