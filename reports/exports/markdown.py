"""Summaries for a pull request or a chat, in short Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from audit.records.comparison import Change, Comparison, Comparisons, Series
from audit.records.gates import GateResult
from audit.records.replicates import Replicates
from audit.results import AuditResult, Finding, Results
from audit.types import ModelRecord, Settings
from reports.provenance import written_date
from reports.text import analyses, changes, evidence, phrases, replicates, sentences
from reports.text import comparison as comparison_text
from reports.text.comparison_headline import VerdictSentence, comparison_sentence
from reports.text.effects import brief_sentence, planned_effects
from reports.text.error_rates import comparison_as_errors, comparisons_as_errors, confused, with_error_rates
from reports.text.evidence import within_sentence
from reports.text.gates import GateRow, change_gate_rows, gate_rows, gates_sentence
from reports.text.headline import choices_sentence, headline_of, left_out_by_rule, signal_sentence
from reports.text.headline.captions import groups_title, is_judged, unjudged_sentences
from reports.text.next_steps import audit_steps
from reports.text.notes import sentence
from reports.text.numbers import NOT_ESTIMABLE, clean, in_words, p_value, short_hash
from reports.text.order import by_significance, leading, planned, strongest_signals
from reports.text.plan_lock import lock_sentences, stated
from reports.text.reasons import in_suite, needs_sentence, not_covered, ratio_sentences, rule_sentence, undecided_sentence, weighted
from reports.text.responsiveness import composition_sentence

_ENTITIES = {"&": "&amp;", "<": "&lt;", "@": "&#64;", "://": "&#58;//", "www.": "www&#46;"}
_MOST_CHANGES, _MOST_REPLICATED = 15, 3
_MARKDOWN = re.compile(r"[\\`*_\[\]|~$]|^[#+=>-]|(?:(?<=^\d)|(?<=^\d\d))[.)]")
"""Characters that are markup anywhere, and those that begin a heading, a list or a quotation at the start of a line."""
_FINDINGS = ("verdict", "question", "higher (n)", "lower (n)", "gap [interval]", "expected by chance (95 %): up to")
_MOST_ROWS = {1: 10, 2: 5, 3: 4}
"""The most rows per audit by number of audits, to keep the summary short; with more audits, none."""
_CHANGES = ("verdict", "question", "gap before", "gap after", "change [interval]", "adjusted p")
NO_QUESTION = "This audit has no planned question."


# ---- audits --------------------------------------------------------------------------------------------------------------------------


def summary_markdown(results: Results) -> str:
    """Return a summary of about 60 lines at most: verdict and headline of every audit, the gates, then one audit after the other."""
    several = len(results.audits) > 1
    led = [f"{'- ' * several}{lead_markdown(audit, results.settings, named=several)}" for audit in results.audits]
    parts = [f"## {escaped(sentences.audits_title(results))}", "\n".join(led)]
    parts += _gates(results.gates, [(phrases.audit_name(audit), gate_rows(results, audit)) for audit in results.audits])
    for audit in results.audits:
        parts += [*([f"### {escaped(phrases.audit_name(audit))}"] if several else []), *_audit(audit, results)]
    for card, models in _training_cards(results.audits).items():
        named = f" ({escaped(', '.join(models))})" if len({audit.model.name for audit in results.audits}) > 1 else ""
        parts.append(f"**According to the checkpoint{named}:** {escaped(card)}")
    for replicate in results.replicates:
        parts += _replicates(replicate, results)
    parts += [*_paired_models(results), *(_next_steps(results.audits[0], results) if not several and results.audits else [])]
    return _document(parts, results, [(audit.model.name, audit.model) for audit in results.audits], "report.html")


def _next_steps(audit: AuditResult, results: Results) -> list[str]:
    """Return what to do next, as on the first screen of the page."""
    steps = audit_steps(headline_of(audit, results.settings), audit, results)
    return [f"What to do next:\n\n{_bullets(step.replace('`', '') for step in steps)}"] if steps else []


def lead_markdown(audit: AuditResult, settings: Settings, *, named: bool = False) -> str:
    """Return verdict and headline of an audit."""
    headline = headline_of(audit, settings)
    name = f"{'LIMITED RUN. ' * audit.data.limited}{f'{phrases.audit_name(audit)}: ' if named else ''}"
    caveat = f"{escaped(headline.caveat)} " if headline.caveat else ""
    return f"{caveat}**{escaped(name + headline.verdict_line)}.** {escaped(headline.body)}"


def _replicates(replicate: Replicates, results: Results) -> list[str]:
    questions = replicates.ordered(replicate, results)
    lines = [replicates.question_sentence(*question, results.settings.alpha) for question in questions[:_MOST_REPLICATED]]
    more = f"{_MOST_REPLICATED} of {in_words(len(questions), 'question')}." if len(questions) > _MOST_REPLICATED else ""
    parts = ["### Replicates", escaped(replicates.introduction(replicate, results)), _bullets(lines), more]
    return [part for part in parts if part]


def _paired_models(results: Results) -> list[str]:
    """Return each comparison of a run in one paragraph, with its most notable change."""
    paired, parts = results.paired_models, []
    for comparison in map(comparison_as_errors, paired.comparisons if paired else ()):
        primary = sorted(comparison.changes, key=comparison_text.by_weight)
        reason = changes.comparison_reason(comparison, results.settings)
        verdict = verdict_markdown(comparison_sentence(comparison, results.settings), reason)
        parts += [f"### {escaped(comparison_text.which(comparison))}", verdict, _bullets(map(comparison_text.headline, primary[:1]))]
    return parts + ([f"Caveats: {escaped(' '.join(map(sentence, paired.notes)))}"] if paired and paired.notes else [])


def _gates(gates: Sequence[GateResult], put: Sequence[tuple[str, Sequence[GateRow]]]) -> list[str]:
    """Return the gates as a table, grouped by audit or comparison."""
    if not gates:
        return []
    rows = [
        f"| {escaped(row.expression)} | **{row.word}** | {escaped((f'{name}: ' if len(put) > 1 else '') + row.why)} |"
        for name, shown in put
        for row in shown
    ]
    return [f"**{escaped(gates_sentence(gates))}**", "\n".join([_head(("gate", "outcome", "why")), *rows])]


def _audit(audit: AuditResult, results: Results) -> list[str]:
    """Return the judged questions as rows, the others as one line per reason, then signals and what was left out."""
    rows, several = _MOST_ROWS.get(len(results.audits), 0), len(results.audits) > 1
    primary = planned(audit.findings)
    effects = planned_effects(audit)
    asked = questions_markdown(audit, results.settings, rows) if primary else "" if effects else NO_QUESTION
    parts = [*lock_markdown(audit, results), asked]
    shown = effects[: max(rows, 3)]
    parts += [_bullets(f"{sentences.VERDICTS[effect.verdict].word}. {brief_sentence(effect)}" for effect in shown)] if effects else []
    more = len(effects) - len(shown)
    parts += [f"and {in_words(more, 'more question')} about scores and trends."] if more else []
    if signals := strongest_signals(audit.findings):
        named = "; ".join(sentences.title(signal, audit) for signal in signals)  # with several audits, there is no space for lists
        parts.append(escaped(f"{sentences.signals_sentence(audit)} {named}." if several else sentences.signals_sentence(audit)))
        parts += [] if several else [_bullets(signal_sentence(signal, audit, results.settings) for signal in signals)]
    beside = (
        choices_sentence(audit, results),
        *left_out_by_rule(audit),
        *in_suite(audit),
        *weighted(audit),
        *not_covered(audit.data.exclusions),
    )
    parts += [escaped(" ".join(filter(None, beside)))] if any(beside) else []
    parts += map(escaped, analyses.lines(audit, results.settings))
    if pair := min(audit.paired, key=by_significance, default=None):
        parts.append(escaped(sentences.paired_headline(pair)))
    return [*filter(None, parts), f"Not tested: {escaped('; '.join(audit.probe.not_tested))}."]


def lock_markdown(audit: AuditResult, results: Results) -> list[str]:
    """Return under which plan lock an audit was run, with what the person who planned it stated, and each deviation."""
    if results.lock is None:
        return []
    first, *deviations = lock_sentences(audit, results)
    return [escaped(f"{first} {stated(results.lock)}"), *([_bullets(deviations)] if deviations else [])]


def _training_cards(audits: Iterable[AuditResult]) -> dict[str, list[str]]:
    """Return what checkpoints say of their training -> the models that say so: once, however many probes audited a model."""
    cards: dict[str, list[str]] = {}
    for audit in audits:
        if audit.model.data_card and audit.model.name not in (models := cards.setdefault(audit.model.data_card, [])):
            models.append(audit.model.name)
    return cards


def questions_markdown(audit: AuditResult, settings: Settings, rows: int | None = None) -> str:
    """Return the planned questions: the first `rows` of those that can be judged as rows, the others as one line per reason."""
    primary = planned(audit.findings)
    judged = [finding for finding in primary if is_judged(finding)]
    shown = leading(judged, len(judged) if rows is None else rows)
    table = [_table(_FINDINGS, (_finding(finding, audit, settings) for finding in shown), len(shown), len(judged))] if shown else []
    rest = [escaped(f"{text}.") for text in unjudged_sentences(primary, settings)]
    return "\n\n".join([*table, *(["  \n".join(rest)] if rest else [])])


def _finding(finding: Finding, audit: AuditResult, settings: Settings) -> tuple[str, ...]:
    words = [sentences.VERDICTS[finding.verdict].word.lower(), evidence.shift_tag(finding)]
    words += ["group composition"] if composition_sentence(finding) else []
    shown = with_error_rates(finding, audit)
    led = phrases.leading_pair(shown)
    ends = [] if led is None else [phrases.short_rate(shown, group) for group in (led.higher, led.lower)]
    remarks = (
        within_sentence(finding),
        undecided_sentence(finding, audit, settings),
        *ratio_sentences(finding),
        rule_sentence(finding),
        needs_sentence(finding),
    )
    beside = " ".join(filter(None, (phrases.gap_text(finding), *remarks)))
    return (", ".join(filter(None, words)), _title(finding, audit), *ends, beside, phrases.chance_text(finding))


def _title(finding: Finding, audit: AuditResult) -> str:
    return groups_title(finding, audit) if confused(finding, audit) else sentences.title(finding, audit)


# ---- comparisons ---------------------------------------------------------------------------------------------------------------------


def comparison_markdown(comparisons: Comparisons) -> str:
    """Return a summary of a comparison."""
    comparisons = comparisons_as_errors(comparisons)
    parts = [f"## {escaped(comparison_text.comparisons_title(comparisons))}", *map(_series, comparisons.series)]
    put = [(comparison_text.which(comparison), change_gate_rows(comparisons, comparison)) for comparison in comparisons.comparisons]
    parts += _gates(comparisons.gates, put)
    for comparison in comparisons.comparisons:
        parts += _comparison(comparison, comparisons.settings)
    parts += [f"Caveats: {escaped(' '.join(map(sentence, comparisons.notes)))}"] if comparisons.notes else []
    return _document(parts, comparisons, [(side.name, side.model) for side in comparisons.sides], "comparison.html")


def _comparison(comparison: Comparison, settings: Settings) -> list[str]:
    primary = sorted((change for change in comparison.changes if change.primary), key=comparison_text.by_weight)
    parts = [f"### {escaped(comparison_text.which(comparison))}"]
    if comparison.limited:
        parts.append("**LIMITED RUN.** A sample of the images; its verdict is always “inconclusive”.")
    parts.append(verdict_markdown(comparison_sentence(comparison, settings), changes.comparison_reason(comparison, settings)))
    parts.append(escaped(f"{comparison_text.images_sentence(comparison)} {comparison_text.not_compared_sentence(comparison)}"))
    if primary:
        shown = primary[:_MOST_CHANGES]
        parts.append(_table(_CHANGES, (_change(change, settings.alpha) for change in shown), len(shown), len(primary)))
        parts.append(_bullets(map(comparison_text.headline, primary[:3])))
    return parts


def _change(change: Change, alpha: float) -> tuple[str, ...]:
    levelled = changes.levelling(change, alpha)
    verdict = comparison_text.VERDICTS[comparison_text.outcome(change)].word.lower() + (f", {levelled}" if levelled else "")
    if change.gap is None:
        return verdict, comparison_text.title(change), "", "", NOT_ESTIMABLE, ""
    ends = (comparison_text.end_text(change, after=after) for after in (False, True))
    return verdict, comparison_text.title(change), *ends, comparison_text.gap_change_text(change), p_value(change.gap.p_adjusted)


def _series(series: Series) -> str:
    primary = [trajectory for trajectory in series.trajectories if trajectory.primary]
    lines = _bullets(f"{comparison_text.title(finding)}: {changes.trajectory_reason(finding, series)}" for finding in primary)
    return f"### {escaped(comparison_text.series_name(series))} · {escaped(series.probe)}\n\n{lines}"


# ---- shared --------------------------------------------------------------------------------------------------------------------------


def _document(parts: Sequence[str], facts: Results | Comparisons, models: Iterable[tuple[str, ModelRecord]], page: str) -> str:
    hashes = ", ".join(dict.fromkeys(f"{escaped(name)} `{short_hash(model.sha256)}`" for name, model in models))
    made = f"{escaped(facts.tool)}, {escaped(written_date(facts.timing.created))}; {hashes}. {page} has every number."
    return ordinary_spaces("\n\n".join([*parts, f"{phrases.intervals(facts.settings.alpha)} {made}"])) + "\n"


def verdict_markdown(verdict: VerdictSentence, reason: str) -> str:
    """Format a verdict and its reason."""
    whole = f"**{escaped(verdict.whole)}** " if verdict.whole else ""
    return f"{whole}**{verdict.word}.** {escaped(verdict.of_groups)} {escaped(reason)}"


def _head(columns: Sequence[str]) -> str:
    return f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], shown: int, of: int) -> str:
    lines = [_head(columns), *("| " + " | ".join(map(escaped, row)) + " |" for row in rows)]
    return "\n".join([*lines, *([f"\n{shown} of {of} questions."] if shown < of else [])])


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {escaped(line)}" for line in lines)


def escaped(text: str) -> str:
    """Escape untrusted text so that Markdown shows it literally: no link, mention, tag, new cell or new line."""
    one_line = " ".join(clean(text).split())
    for character, entity in _ENTITIES.items():
        one_line = one_line.replace(character, entity)
    return _MARKDOWN.sub(lambda match: f"\\{match[0]}", one_line)


def ordinary_spaces(text: str) -> str:
    """Replace non-breaking spaces by ordinary ones."""
    return text.replace("\u00a0", " ")
