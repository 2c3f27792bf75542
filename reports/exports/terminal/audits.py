"""An audit on a terminal: verdict and headline first, then one line per question."""

from __future__ import annotations

from collections.abc import Sequence

from audit.cli.screen import Screen
from audit.results import AuditResult, Finding, Results
from audit.types import Settings
from reports.exports.markdown import ordinary_spaces
from reports.exports.terminal.changes import paired_lines
from reports.exports.terminal.lines import lines_of, mark, marked, row_of, width
from reports.text import analyses, evidence, phrases, replicates, sentences
from reports.text.effects import brief_sentence, planned_effects
from reports.text.error_rates import with_error_rates
from reports.text.gates import gate_rows, gates_sentence
from reports.text.headline import choices_sentence, headline_of, left_out_by_rule
from reports.text.headline.captions import groups_title, is_judged, unjudged_sentences
from reports.text.next_steps import audit_steps
from reports.text.numbers import in_words, number, span
from reports.text.order import by_significance, leading, planned, strongest_signals
from reports.text.plan_lock import lock_sentences
from reports.text.reasons import in_suite, needs_tag, not_covered, ratio_sentences, rule_sentence, undecided_sentence, weighted
from reports.text.responsiveness import composition_sentence, equal_gap, look_line
from strictio.console import visible

_MOST_ROWS, _MOST_REPLICATED = 15, 3
_ENDS = 20
"""The fewest columns for the groups of a question on its line."""
_TITLE = 26
"""The fewest columns for a title that continues below."""
_HEAD = ("question", "gap, points", "between")
_PIPE = Screen()


def audit_lines(results: Results, screen: Screen = _PIPE, *, verbose: bool = False) -> str:
    """Return the output of a command for every audit; `verbose` shows the questions as a table, with n and the gap expected by chance."""
    blocks = [block for audit in results.audits for block in _audit(audit, results, screen, verbose=verbose)]
    blocks += [*paired_lines(results, screen), *_replicates(results, screen), *_gates(results, screen)]
    blocks += [lines_of(phrases.intervals(results.settings.alpha), screen), _next_steps(results, screen)]
    return ordinary_spaces("\n\n".join("\n".join(block) for block in blocks if block))


def _audit(audit: AuditResult, results: Results, screen: Screen, *, verbose: bool) -> list[list[str]]:
    """Return the output about one audit as blocks, which are separated by an empty line."""
    settings = results.settings
    headline = headline_of(audit, settings)
    head = lines_of(f"{phrases.audit_name(audit)} · {in_words(audit.data.used, 'image') if audit.data.listed else 'no images'}", screen)
    line = f"{'LIMITED RUN · ' * audit.data.limited}{headline.verdict_line}"
    head += lines_of(headline.caveat, screen) if headline.caveat else []
    head += [*marked(audit.verdict, line, screen, whole=True), *lines_of(headline.body, screen)]
    first, *deviations = lock_sentences(audit, results) or [""]
    lock = [*(lines_of(first, screen) if first else []), *(line for text in deviations for line in lines_of(f"- {text}", screen, indent=2))]
    beside = [choices_sentence(audit, results), *left_out_by_rule(audit)]
    beside += [*([look_line(audit)] if verbose else []), *in_suite(audit), *weighted(audit), *not_covered(audit.data.exclusions)]
    beside += analyses.lines(audit, settings)
    if pair := min((paired for paired in audit.paired if paired.outcome), key=by_significance, default=None):
        beside.insert(0, sentences.paired_headline(pair))
    beside += analyses.appendix_lines(audit, settings)
    rest = [line for text in beside if text for line in lines_of(text, screen)]
    return [head, lock, _planned(audit, settings, screen, verbose=verbose), _not_planned(audit, settings, screen), rest]


def _planned(audit: AuditResult, settings: Settings, screen: Screen, *, verbose: bool) -> list[str]:
    """Return one line per question that can be judged, and one per reason why others cannot."""
    primary = planned(audit.findings)
    judged = [finding for finding in primary if is_judged(finding)]
    shown = leading(judged, _MOST_ROWS)
    more = len(judged) - len(shown)
    lines = _table(shown, audit, settings, screen) if verbose else _rows(shown, audit, settings, screen)
    lines += lines_of(f"and {in_words(more, 'more question')}: see the report", screen) if more else []
    lines += [line for text in unjudged_sentences(primary, settings) for line in marked("not estimable", text, screen)]
    effects = planned_effects(audit)
    lines += [line for effect in effects[:_MOST_ROWS] for line in marked(effect.verdict, brief_sentence(effect), screen)]
    rest = len(effects) - _MOST_ROWS
    return lines + (lines_of(f"and {in_words(rest, 'more question')} about scores and trends: see the report", screen) if rest > 0 else [])


def _not_planned(audit: AuditResult, settings: Settings, screen: Screen) -> list[str]:
    """Return the strongest signals, marked as not planned, and the number of other exploratory comparisons."""
    signals, sentence = strongest_signals(audit.findings), sentences.signals_sentence(audit) or sentences.no_signal_sentence(audit)
    if not signals:
        return lines_of(sentence, screen) if sentence else []
    others = sum(not finding.primary for finding in audit.findings) - len(signals)
    more = f"and {in_words(others, 'more exploratory comparison')}: see the report" if others else ""
    rows = _rows(signals, audit, settings, screen)
    return [*lines_of(sentence, screen), *rows, *(lines_of(more, screen) if more else [])]


def _next_steps(results: Results, screen: Screen) -> list[str]:
    """Return what to do next, as on the first screen of the page of one audit."""
    if len(results.audits) != 1:
        return []
    (audit,) = results.audits
    steps = audit_steps(headline_of(audit, results.settings), audit, results)
    return ["What to do next:", *(line for step in steps for line in lines_of(f"- {step}", screen))]


def _replicates(results: Results, screen: Screen) -> list[list[str]]:
    blocks = []
    for replicate in results.replicates:
        questions = replicates.ordered(replicate, results)[:_MOST_REPLICATED]
        blocks += [lines_of(replicates.introduction(replicate, results), screen)]
        blocks += [lines_of(replicates.question_sentence(*question, results.settings.alpha), screen) for question in questions]
    return blocks


def _gates(results: Results, screen: Screen) -> list[list[str]]:
    if not results.gates:
        return []
    blocks = [lines_of(gates_sentence(results.gates), screen)]
    for audit in results.audits:
        of = f" ({phrases.audit_name(audit)})" if len(results.audits) > 1 else ""
        for row in gate_rows(results, audit):
            named = marked(row.looks, f"{row.word.upper()} {row.expression}{of}", screen)
            blocks.append([*named, *lines_of(row.why, screen, indent=2)])
    return blocks


# ---- questions -----------------------------------------------------------------------------------------------------------------------


def _rows(findings: Sequence[Finding], audit: AuditResult, settings: Settings, screen: Screen) -> list[str]:
    """Return one line per question: mark, title, the gap with its interval, and the rates of both groups.

    Longer texts continue below, in their column; where even the columns have no space side by side, gap and rates have their own line.
    """
    cells = [_HEAD, *((groups_title(finding, audit), _size(finding), _ends(with_error_rates(finding, audit))) for finding in findings)]
    longest, gap, ends_width = (max(width(screen.characters(visible(cell[column]))) for cell in cells) for column in (0, 1, 2))
    room = screen.columns - 2
    title_width = min(longest, max(room - gap - 4 - ends_width, _TITLE))
    narrow = room - title_width - gap - 4 < _ENDS
    ends_room = room - gap - 2 - (0 if narrow else title_width + 2)
    lines = []
    for finding, (title, size, ends) in zip([None, *findings] if findings else [], cells, strict=bool(findings)):
        sign = mark(finding.verdict, screen) if finding else " "
        beside = [(size, gap), (ends, ends_room)]
        titled = row_of([(title, room)], screen) if narrow else []
        first, *others = [*titled, *row_of(beside if narrow else [(title, title_width), *beside], screen, 2)]
        lines += [f"{sign} {first}", *(f"  {line}" for line in others), *(_beside(finding, audit, settings, screen) if finding else [])]
    return lines


def _size(finding: Finding) -> str:
    pair, places = phrases.leading_pair(finding), phrases.gap_places(finding)
    return f"{number(pair.difference, places)} {span(pair.low, pair.high, places)}" if pair else ""


def _ends(finding: Finding) -> str:
    ends = zip(phrases.leading_groups(finding), phrases.pair_values(finding, together=True), strict=True)
    return ", ".join(f"{phrases.group(group)} {value}" for group, value in ends)


def _beside(finding: Finding, audit: AuditResult, settings: Settings, screen: Screen) -> list[str]:
    """Return what a reader of a gap must also know: why it is undecided, its ratio, and what explains it."""
    remarks = [
        evidence.within_sentence(finding),
        undecided_sentence(finding, audit, settings),
        *ratio_sentences(finding),
        rule_sentence(finding),
        needs_tag(finding),
        evidence.shift_sentence(finding),
    ]
    remarks += [f"explained by group composition: {equal_gap(finding)} at equal shares of true answers"] * bool(
        composition_sentence(finding)
    )
    return [line for text in remarks if text for line in lines_of(text, screen, indent=4)]


# ---- as a table ----------------------------------------------------------------------------------------------------------------------


def _table(findings: Sequence[Finding], audit: AuditResult, settings: Settings, screen: Screen) -> list[str]:
    """Return two lines per question: its verdict; both groups with n, the gap with its interval, and the gap expected by chance."""
    head = [*_two_lines(("metric by attribute", "verdict"), ("groups (n)", "gap [interval]", "chance"), screen), "-" * screen.columns]
    return [*head * bool(findings), *(line for finding in findings for line in _row(finding, audit, settings, screen))]


def _row(finding: Finding, audit: AuditResult, settings: Settings, screen: Screen) -> list[str]:
    pair, places = phrases.leading_pair(finding), phrases.gap_places(finding)
    shown = with_error_rates(finding, audit)
    groups = ", ".join(phrases.short_rate(shown, group) for group in phrases.leading_groups(shown))
    second = (groups, _size(finding), "" if finding.diffuse else number(pair.chance, places)) if pair else ()
    return [*_two_lines((groups_title(finding, audit), finding.verdict), second, screen), *_beside(finding, audit, settings, screen)]


def _two_lines(first: tuple[str, str], second: tuple[str, ...], screen: Screen) -> list[str]:
    lines = row_of([(first[0], screen.columns - 14), (first[1], 13)], screen)
    columns = (screen.columns - 29, 18, 7)
    return [*lines, *(f"  {line}" for line in (row_of(list(zip(second, columns, strict=True)), screen) if second else []))]
