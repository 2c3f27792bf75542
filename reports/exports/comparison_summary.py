"""A comparison for a pull request or a chat (Markdown), and for a terminal of 80 columns. Formats only."""

from __future__ import annotations

from audit.records.comparison import Change, Comparison, Comparisons, Series, Trajectory
from reports.exports.summary import COLUMNS, escaped, fit, plain, wrapped
from reports.sections.page import written_date
from reports.text import comparison as words
from reports.text.changes import comparison_reason, trajectory_reason
from reports.text.notes import sentence
from reports.text.numbers import in_words, p_value, short_hash
from reports.text.verdicts import compared

_MOST_ROWS = 15
_QUESTION, _STATUS = 54, 24


# ---- Markdown ------------------------------------------------------------------------------------------------------------------------


def comparison_markdown(comparisons: Comparisons) -> str:
    """Return a summary for a pull request or a chat."""
    parts = [f"## {escaped(words.page_title(comparisons))}"]
    parts += map(_series_markdown, comparisons.series)
    for comparison in comparisons.comparisons:
        parts += _comparison_markdown(comparison)
    parts += [f"Read with care: {escaped(' '.join(map(sentence, comparisons.notes)))}"] if comparisons.notes else []
    hashes = ", ".join(f"{escaped(side.name)} `{short_hash(side.model.sha256)}`" for side in comparisons.sides)
    made = f"{escaped(comparisons.tool)}, {escaped(written_date(comparisons.timing.created))}"
    parts.append(f"{made}; {hashes}. comparison.html has every number.")
    return plain("\n\n".join(parts)) + "\n"


def _comparison_markdown(comparison: Comparison) -> list[str]:
    primary = sorted((change for change in comparison.changes if change.primary), key=words.by_weight)
    parts = [f"### {escaped(comparison.after)} against {escaped(comparison.before)} · {escaped(comparison.probe)}"]
    if comparison.limited:
        parts.append("**LIMITED RUN.** A sample of the images; it can conclude nothing.")
    verdict = compared(comparison)
    parts.append(f"**{verdict.word}.** {verdict.sentence} {escaped(comparison_reason(comparison))}")
    parts.append(escaped(f"{words.images_sentence(comparison)} {words.not_compared_sentence(comparison)}"))
    if primary:
        parts.append(_table(primary))
        parts.append("\n".join(f"- {escaped(words.headline(change))}" for change in primary[:3]))
    return parts


def _table(changes: list[Change]) -> str:
    lines = ["| verdict | question | gap before | gap after | change [interval] | adjusted p |", "|---|---|---|---|---|---|"]
    lines += ["| " + " | ".join(map(escaped, _row(change))) + " |" for change in changes[:_MOST_ROWS]]
    if len(changes) > _MOST_ROWS:
        lines.append(f"\n{_MOST_ROWS} of {len(changes)} questions.")
    return "\n".join(lines)


def _row(change: Change) -> tuple[str, ...]:
    gap = change.gap
    said = words.VERDICTS[words.outcome(change)].word.lower() + (", levelled down" if change.levelled_down else "")
    if gap is None:
        return said, words.title(change), "", "", "not estimable", ""
    before, after = words.extremes_text(change, gap.before, after=False), words.extremes_text(change, gap.after, after=True)
    return said, words.title(change), before, after, words.gap_change_text(change), p_value(gap.p_adjusted)


def _series_markdown(series: Series) -> str:
    lines = [f"### Step by step · {escaped(series.probe)}", ""]
    lines += [f"- {escaped(words.title(each))}: {escaped(trajectory_reason(each, series))}" for each in series.trajectories if each.primary]
    return "\n".join(lines)


# ---- terminal ------------------------------------------------------------------------------------------------------------------------


def terminal(comparisons: Comparisons) -> str:
    """Return what changed, and each verdict in words, in lines of at most 80 columns."""
    blocks = [_series_terminal(series) for series in comparisons.series]
    blocks += [_comparison_terminal(comparison) for comparison in comparisons.comparisons]
    blocks += ["\n".join(line for note in comparisons.notes for line in wrapped(f"note: {sentence(note)}"))] if comparisons.notes else []
    return plain("\n\n".join(blocks))


def _comparison_terminal(comparison: Comparison) -> str:
    primary = sorted((change for change in comparison.changes if change.primary), key=words.by_weight)
    head = f"{comparison.after} against {comparison.before} · {comparison.probe} · {in_words(comparison.images, 'image')}"
    lines = [
        fit(head, COLUMNS).rstrip(),
        "",
        _wide("metric by attribute", "verdict"),
        "  gap before -> after, change [interval]",
        "-" * COLUMNS,
    ]
    lines += [line for change in primary[:_MOST_ROWS] for line in _change_lines(change)]
    hidden, others = max(len(primary) - _MOST_ROWS, 0), len(comparison.changes) - len(primary)
    lines += [f"and {in_words(hidden, 'more question')}: see the page"] if hidden else []
    lines += [f"and {in_words(others, 'comparison')} outside the verdict: see the page"] if others else []
    verdict = compared(comparison)
    overall = f"{verdict.word}. {verdict.sentence} {comparison_reason(comparison)}"
    said = [overall, words.images_sentence(comparison), words.not_compared_sentence(comparison)]
    return "\n".join([*lines, "", *(line for text in said if text for line in wrapped(text))])


def _change_lines(change: Change) -> list[str]:
    first = _wide(words.title(change), words.outcome(change))
    gap = change.gap
    if gap is None:
        return [first]
    values = f"{words.ends_text(gap.before)} -> {words.ends_text(gap.after)}, {words.gap_change_text(change)}"
    return [first, f"  {fit(values, COLUMNS - 2)}".rstrip()]


def _wide(question: str, status: str) -> str:
    return f"{fit(question, _QUESTION)} {fit(status, _STATUS)}".rstrip()


def _series_terminal(series: Series) -> str:
    lines = [fit(f"step by step · {series.probe} · {in_words(series.images, 'image')}", COLUMNS).rstrip(), ""]
    for trajectory in series.trajectories:
        lines += _trajectory_lines(trajectory, series) if trajectory.primary else []
    return "\n".join(lines).rstrip()


def _trajectory_lines(trajectory: Trajectory, series: Series) -> list[str]:
    lines = [fit(words.title(trajectory), COLUMNS).rstrip(), f"{'step':>9}  {'gap [band]':<30} p"]
    lines += [
        f"{point.step:>9,}  {words.ends_text(point.gap) if point.gap else 'not estimable':<30} {p_value(point.p)}"
        for point in trajectory.points
    ]
    return [*lines, *wrapped(trajectory_reason(trajectory, series)), ""]
