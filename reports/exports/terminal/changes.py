"""Comparisons on a terminal: the verdict first, then one line or two per question, with the marks of the page."""

from __future__ import annotations

from collections.abc import Sequence

from audit.cli.screen import Screen
from audit.records.comparison import Change, Comparison, Comparisons, Series, Trajectory
from audit.results import Results
from audit.types import Settings
from reports.exports.markdown import ordinary_spaces
from reports.exports.terminal.lines import after_sign, lines_of, marked, row_of
from reports.text import changes, phrases
from reports.text import comparison as comparison_text
from reports.text.comparison_headline import comparison_sentence
from reports.text.error_rates import comparison_as_errors, comparisons_as_errors
from reports.text.gates import change_gate_rows, gates_sentence
from reports.text.notes import sentence
from reports.text.numbers import in_words, lower_first, p_value

_MOST_ROWS = 15
_PIPE = Screen()


def comparison_lines(comparisons: Comparisons, screen: Screen = _PIPE) -> str:
    """Return the changes, and the verdict of each comparison as text."""
    shown = comparisons_as_errors(comparisons)
    blocks = [_series(series, screen) for series in shown.series]
    blocks += [_comparison(comparison, comparisons.settings, screen) for comparison in shown.comparisons]
    blocks += change_gate_lines(comparisons, screen)
    blocks.append([line for note in comparisons.notes for line in lines_of(f"note: {sentence(note)}", screen)])
    blocks.append(lines_of(phrases.intervals(comparisons.settings.alpha), screen))
    return ordinary_spaces("\n\n".join("\n".join(block).rstrip() for block in blocks if block))


def change_gate_lines(comparisons: Comparisons, screen: Screen) -> list[list[str]]:
    """Return the gates of a comparison with their outcomes and reasons."""
    if not comparisons.gates:
        return []
    blocks = [lines_of(gates_sentence(comparisons.gates), screen)]
    for comparison in comparisons.comparisons:
        of = f" ({comparison_text.which(comparison)})" if len(comparisons.comparisons) > 1 else ""
        for row in change_gate_rows(comparisons, comparison):
            named = marked(row.looks, f"{row.word.upper()} {row.expression}{of}", screen)
            blocks.append([*named, *lines_of(row.why, screen, indent=2)])
    return blocks


def paired_lines(results: Results, screen: Screen) -> list[list[str]]:
    """Say how the models of a run differ from the first: verdict and leading change of each comparison, and the caveats."""
    paired, blocks = results.paired_models, []
    for comparison in map(comparison_as_errors, paired.comparisons if paired else ()):
        leading = map(comparison_text.headline, sorted(comparison.changes, key=comparison_text.by_weight)[:1])
        blocks.append([*_verdict(comparison, results.settings, screen), *(line for text in leading for line in lines_of(text, screen))])
    notes = [line for note in (paired.notes if paired else ()) for line in lines_of(f"note: {sentence(note)}", screen)]
    return [*blocks, notes] if notes else blocks


def _comparison(comparison: Comparison, settings: Settings, screen: Screen) -> list[str]:
    primary = sorted((change for change in comparison.changes if change.primary), key=comparison_text.by_weight)
    lines = [*_verdict(comparison, settings, screen), ""]
    lines += [*lines_of("metric by attribute", screen, indent=2), *lines_of("gap before -> after, change [interval]", screen, indent=4)]
    lines += [line for change in primary[:_MOST_ROWS] for line in _change(change, screen)]
    hidden = _hidden(len(primary) - _MOST_ROWS, len(comparison.changes) - len(primary))
    lines += [line for text in hidden for line in lines_of(text, screen)]
    texts = [comparison_text.images_sentence(comparison), comparison_text.not_compared_sentence(comparison)]
    return [*lines, "", *(line for text in texts if text for line in lines_of(text, screen))]


def _verdict(comparison: Comparison, settings: Settings, screen: Screen) -> list[str]:
    """Return what is compared, and the verdict with how many gaps changed in which way."""
    verdict = comparison_sentence(comparison, settings)
    named = lines_of(f"{comparison_text.which(comparison)} · {in_words(comparison.images, 'image')}", screen)
    sign, colour = ("↓", "red") if verdict.lost else ("•", None)
    whole = after_sign(sign, colour, verdict.whole, screen, whole=True) if verdict.whole else []
    marked_word = marked(comparison_text.outcome(comparison), f"{verdict.word}. {verdict.of_groups}", screen, whole=True)
    return [*named, *whole, *marked_word, *lines_of(changes.comparison_reason(comparison, settings), screen)]


def _change(change: Change, screen: Screen) -> list[str]:
    outcome = comparison_text.outcome(change)
    first = marked(outcome, f"{comparison_text.title(change)} · {comparison_text.VERDICTS[outcome].word.lower()}", screen)
    if change.gap is None:
        return first
    values = f"{' -> '.join(comparison_text.gap_ends_text(change))}, {comparison_text.gap_change_text(change)}"
    return [*first, *lines_of(values, screen, indent=4)]


def _series(series: Series, screen: Screen) -> list[str]:
    lines = [
        *lines_of(f"{lower_first(comparison_text.series_name(series))} · {series.probe} · {in_words(series.images, 'image')}", screen),
        "",
    ]
    return [*lines, *(line for trajectory in series.trajectories if trajectory.primary for line in _trajectory(trajectory, series, screen))]


def _trajectory(trajectory: Trajectory, series: Series, screen: Screen) -> list[str]:
    lines = [*lines_of(comparison_text.title(trajectory), screen), *_point(series.axis or "step", "gap [band]", "p", screen)]
    lines += [
        line
        for point in trajectory.points
        for line in _point(comparison_text.step_number(point.step), phrases.size(point.gap), p_value(point.p), screen)
    ]
    return [*lines, *lines_of(changes.trajectory_reason(trajectory, series), screen), ""]


def _hidden(questions: int, others: int) -> Sequence[str]:
    lines = [f"and {in_words(questions, 'more question')}: see the page"] if questions > 0 else []
    return [*lines, *([f"and {in_words(others, 'exploratory comparison')}: see the page"] if others else [])]


def _point(step: str, gap: str, p: str, screen: Screen) -> list[str]:
    first, *others = row_of([(gap, min(30, screen.columns - 20)), (p, 8)], screen)
    return [f"{step:>9}  {first}", *(" " * 11 + line for line in others)]
