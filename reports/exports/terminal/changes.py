"""Comparisons on a terminal: what changed in, lines out."""

from __future__ import annotations

from collections.abc import Sequence

from audit.cli.screen import Screen
from audit.records.comparison import Change, Comparison, Comparisons, Series, Trajectory
from audit.records.results import Results
from reports.exports.markdown import ordinary_spaces
from reports.exports.terminal.lines import fitted, lines_of
from reports.text import changes, phrases
from reports.text import comparison as comparison_text
from reports.text.gates import change_gate_rows, gates_sentence
from reports.text.notes import sentence
from reports.text.numbers import in_words, p_value
from reports.text.verdicts import comparison_sentence

_MOST_ROWS = 15
_OUTCOME = 24
"""Columns of a verdict."""
_PIPE = Screen()


def comparison_lines(comparisons: Comparisons, screen: Screen = _PIPE) -> str:
    """Return what changed, and each verdict in words."""
    blocks = [_series(each, screen) for each in comparisons.series]
    blocks += [_comparison(each, screen) for each in comparisons.comparisons]
    blocks += _gates(comparisons, screen)
    blocks.append([line for note in comparisons.notes for line in lines_of(f"note: {sentence(note)}", screen)])
    blocks.append(lines_of(phrases.intervals(comparisons.settings.alpha), screen))
    return ordinary_spaces("\n\n".join("\n".join(block).rstrip() for block in blocks if block))


def _gates(comparisons: Comparisons, screen: Screen) -> list[list[str]]:
    if not comparisons.gates:
        return []
    blocks = [lines_of(gates_sentence(comparisons.gates), screen)]
    for each in comparisons.comparisons:
        of = f" ({comparison_text.which(each)})" if len(comparisons.comparisons) > 1 else ""
        for row in change_gate_rows(comparisons, each):
            named = lines_of(f"{row.word.upper()} {row.expression}{of}", screen)
            blocks.append([*named, *lines_of(row.why, screen, indent=2)])
    return blocks


def paired_lines(results: Results, screen: Screen) -> list[list[str]]:
    """Return how the models of a run differ from the first: verdict and leading change of each comparison, and the caveats."""
    paired, blocks = results.paired_models, []
    for each in paired.comparisons if paired else ():
        verdict, leading = comparison_sentence(each), sorted(each.changes, key=comparison_text.by_weight)[:1]
        texts = [f"{verdict.word}. {verdict.sentence} {changes.comparison_reason(each)}", *map(comparison_text.headline, leading)]
        named = fitted(comparison_text.which(each), screen.columns, screen).rstrip()
        blocks.append([named, *(line for text in texts for line in lines_of(text, screen))])
    notes = [line for note in (paired.notes if paired else ()) for line in lines_of(f"note: {sentence(note)}", screen)]
    return [*blocks, notes] if notes else blocks


def _comparison(comparison: Comparison, screen: Screen) -> list[str]:
    primary = sorted((change for change in comparison.changes if change.primary), key=comparison_text.by_weight)
    named = f"{comparison_text.which(comparison)} · {in_words(comparison.images, 'image')}"
    lines = [fitted(named, screen.columns, screen).rstrip(), ""]
    head = fitted("  gap before -> after, change [interval]", screen.columns, screen).rstrip()
    lines += [_question("metric by attribute", "verdict", screen), head, "-" * screen.columns]
    lines += [line for change in primary[:_MOST_ROWS] for line in _change(change, screen)]
    hidden = _hidden(len(primary) - _MOST_ROWS, len(comparison.changes) - len(primary))
    lines += [line for text in hidden for line in lines_of(text, screen)]
    verdict = comparison_sentence(comparison)
    overall = f"{verdict.word}. {verdict.sentence} {changes.comparison_reason(comparison)}"
    texts = [overall, comparison_text.images_sentence(comparison), comparison_text.not_compared_sentence(comparison)]
    return [*lines, "", *(line for text in texts if text for line in lines_of(text, screen))]


def _change(change: Change, screen: Screen) -> list[str]:
    first = _question(comparison_text.title(change), comparison_text.outcome(change), screen)
    gap = change.gap
    if gap is None:
        return [first]
    values = f"{phrases.size(gap.before)} -> {phrases.size(gap.after)}, {comparison_text.gap_change_text(change)}"
    return [first, f"  {fitted(values, screen.columns - 2, screen)}".rstrip()]


def _series(series: Series, screen: Screen) -> list[str]:
    lines = [fitted(f"step by step · {series.probe} · {in_words(series.images, 'image')}", screen.columns, screen).rstrip(), ""]
    return [*lines, *(line for each in series.trajectories if each.primary for line in _trajectory(each, series, screen))]


def _trajectory(trajectory: Trajectory, series: Series, screen: Screen) -> list[str]:
    lines = [comparison_text.title(trajectory), f"{'step':>9}  {'gap [band]':<30} p"]
    lines += [f"{point.step:>9,}  {phrases.size(point.gap):<30} {p_value(point.p)}" for point in trajectory.points]
    lines = [fitted(line, screen.columns, screen).rstrip() for line in lines]
    return [*lines, *lines_of(changes.trajectory_reason(trajectory, series), screen), ""]


def _hidden(questions: int, others: int) -> Sequence[str]:
    lines = [f"and {in_words(questions, 'more question')}: see the page"] if questions > 0 else []
    return [*lines, *([f"and {in_words(others, 'exploratory comparison')}: see the page"] if others else [])]


def _question(question: str, status: str, screen: Screen) -> str:
    return f"{fitted(question, screen.columns - _OUTCOME - 1, screen)} {fitted(status, _OUTCOME, screen)}".rstrip()
