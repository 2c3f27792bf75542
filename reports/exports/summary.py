"""The same facts for a pull request or a chat (Markdown), and for a terminal of 80 columns. Formats only."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from audit.records.results import AuditResult, Finding, Results
from reports.sections.gates import gate_rows, gates_sentence
from reports.sections.page import by_severity, page_title, written_date
from reports.text import phrases
from reports.text import sentences as words
from reports.text.numbers import clean, in_words, number, p_value, short_hash, span
from reports.text.reasons import audit_reason
from reports.text.verdicts import verdict_sentence

COLUMNS = 80
_ENTITIES = {"&": "&amp;", "<": "&lt;", "@": "&#64;", "://": "&#58;//", "www.": "www&#46;"}
_MOST_ROWS = 15
_MARKDOWN = re.compile(r"[\\`*_\[\]|~$]|^[#+=>-]|(?:(?<=^\d)|(?<=^\d\d))[.)]")
"""What Markdown reads as markup anywhere, and what it reads as a heading, a list or a quotation at the start of a line."""


# ---- Markdown ------------------------------------------------------------------------------------------------------------------------


def summary_markdown(results: Results) -> str:
    """Return a summary of at most about 60 lines, for a pull request or a chat."""
    rows, sentences = _room(len(results.audits))
    parts = [f"## {escaped(page_title(results))}", *_gates_markdown(results)]
    for audit in results.audits:
        parts += _audit_markdown(audit, rows, sentences, named=len(results.audits) > 1)
    hashes = ", ".join(f"{escaped(audit.model.name)} `{short_hash(audit.model.sha256)}`" for audit in results.audits)
    parts.append(f"{escaped(results.tool)}, {escaped(written_date(results.timing.created))}; {hashes}. report.html has every number.")
    return plain("\n\n".join(parts)) + "\n"


def _gates_markdown(results: Results) -> list[str]:
    if not results.gates:
        return []
    lines = ["| gate | outcome | why |", "|---|---|---|"]
    named = len(results.audits) > 1
    for audit in results.audits:
        of = f"{audit.model.name} · {audit.probe.name}: " if named else ""
        lines += [f"| {escaped(row.expression)} | **{row.word}** | {escaped(of + row.why)} |" for row in gate_rows(results, audit)]
    return [f"**{escaped(gates_sentence(results))}**", "\n".join(lines)]


def _room(audits: int) -> tuple[int, int]:
    """Rows and sentences that each audit may have, so that the whole stays short."""
    return (10, 3) if audits <= 1 else (5, 1) if audits <= 3 else (0, 1)


def _audit_markdown(audit: AuditResult, rows: int, sentences: int, *, named: bool) -> list[str]:
    ordered = sorted((finding for finding in audit.findings if finding.primary), key=by_severity)
    parts = [f"### {escaped(audit.model.name)} · {escaped(audit.probe.name)}"] if named else []
    if audit.data.limited:
        parts.append(f"**LIMITED RUN.** A sample of {in_words(audit.data.used, 'image')}; it can conclude nothing but “inconclusive”.")
    verdict = verdict_sentence(audit)
    parts.append(f"**{verdict.word}.** {verdict.sentence} {escaped(audit_reason(audit))}")
    if audit.model.data_card:
        parts.append(f"**Known beforehand, from the checkpoint:** {escaped(audit.model.data_card)}")
    if ordered[:rows]:
        parts.append(findings_table(ordered[:rows], len(ordered), audit))
    stands_out = [words.headline(finding, audit) for finding in ordered[:sentences]]
    clearest = min(audit.paired, key=words.by_clarity, default=None)
    stands_out += [words.paired_headline(clearest)] if clearest else []
    parts.append("\n".join(f"- {escaped(sentence)}" for sentence in stands_out) or "No question counts for the verdict.")
    parts.append(f"Not tested: {escaped('; '.join(audit.probe.not_tested))}.")
    return parts


def findings_table(findings: Sequence[Finding], of: int, audit: AuditResult) -> str:
    """Return findings as a Markdown table, of how many in all."""
    lines = [
        "| verdict | question | highest (n) | lowest (n) | gap [interval] | chance gives up to | adjusted p |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(map(escaped, _row(finding, audit))) + " |" for finding in findings]
    if len(findings) < of:
        lines.append(f"\n{len(findings)} of {of} questions.")
    return "\n".join(lines)


def _row(finding: Finding, audit: AuditResult) -> tuple[str, ...]:
    lead = (words.VERDICTS[finding.verdict].word.lower(), words.title(finding, audit))
    if finding.gap is None:
        return (*lead, "", "", "not estimable", "", "")
    ends = (phrases.short_rate(finding, group) for group in (finding.gap.highest, finding.gap.lowest))
    return (*lead, *ends, phrases.gap_text(finding), phrases.chance_text(finding), p_value(finding.gap.p_adjusted))


def escaped(text: str) -> str:
    """Return foreign text that Markdown shows as it is: no link, no mention, no tag, no new cell, no new line."""
    one_line = " ".join(clean(text).split())
    for character, entity in _ENTITIES.items():
        one_line = one_line.replace(character, entity)
    return _MARKDOWN.sub(lambda match: f"\\{match[0]}", one_line)


def plain(text: str) -> str:
    """Return text with ordinary spaces."""
    return text.replace("\u00a0", " ")


# ---- terminal ------------------------------------------------------------------------------------------------------------------------


def terminal(results: Results) -> str:
    """Return the findings of every audit that count for its verdict, and the verdict in words, in lines of at most 80 columns."""
    audits = [_audit_terminal(audit, results.settings.min_group_size) for audit in results.audits]
    return plain("\n\n".join([*audits, *_gates_terminal(results)]))


def _gates_terminal(results: Results) -> list[str]:
    if not results.gates:
        return []
    lines = wrapped(gates_sentence(results))
    named = len(results.audits) > 1
    for audit in results.audits:
        for row in gate_rows(results, audit):
            of = f" ({audit.model.name} · {audit.probe.name})" if named else ""
            lines += ["", *wrapped(f"{row.word.upper()}  {row.expression}{of}"), *wrapped(row.why)]
    return ["\n".join(lines)]


def _audit_terminal(audit: AuditResult, smallest: int) -> str:
    primary = sorted((finding for finding in audit.findings if finding.primary), key=by_severity)
    shown = primary[:_MOST_ROWS]
    lines = [fit(f"{audit.model.name} · {audit.probe.name} · {in_words(audit.data.used, 'image')}", COLUMNS).rstrip(), ""]
    lines += [_wide("metric by attribute", "status"), _narrow("groups", "gap [interval]", "chance"), "-" * COLUMNS]
    lines += [line for finding in shown for line in _finding_lines(finding, audit)]
    hidden, others = len(primary) - len(shown), len(audit.findings) - len(primary)
    lines += [f"and {in_words(hidden, 'more question')}: see the report"] if hidden else []
    lines += [f"and {in_words(others, 'comparison')} outside the verdict: see the report"] if others else []
    lines += [f"and what-ifs to {in_words(len(audit.what_ifs), 'question')}: see the report"] if audit.what_ifs else []
    if any(finding.gap is None for finding in shown):
        enough = f"{in_words(smallest, 'image')}{' in enough clusters' if audit.data.cluster else ''} (--min-group-size)"
        lines += wrapped(f"Where no groups stand below a question, fewer than two have at least {enough}.")
    verdict = verdict_sentence(audit)
    said = [f"{verdict.word}. {verdict.sentence} {audit_reason(audit)}"]
    return "\n".join([*lines, "", *(line for text in said for line in wrapped(text))])


def _finding_lines(finding: Finding, audit: AuditResult) -> list[str]:
    first = _wide(words.title(finding, audit), finding.verdict)
    if finding.gap is None:
        return [first]
    gap, places = finding.gap, phrases.gap_places(finding)
    order = (gap.lowest, gap.highest) if finding.better == "high" else (gap.highest, gap.lowest)
    groups = ", ".join(phrases.short_rate(finding, group) for group in order)
    decided = f"within ±{100 * finding.tolerance:g}" if finding.verdict == "equivalent" else span(gap.low, gap.high, places)
    return [first, _narrow(groups, f"{number(gap.value, places)} {decided}", number(gap.null_95, places))]


def _wide(question: str, status: str) -> str:
    return f"{fit(question, 66)} {fit(status, 13)}".rstrip()


def _narrow(groups: str, interval: str, chance: str) -> str:
    return f"  {fit(groups, 51)} {fit(interval, 18)} {fit(chance, 7)}".rstrip()


def wrapped(text: str) -> list[str]:
    """Return lines of at most 80 columns, broken between words."""
    lines = [""]
    for word in clean(text).split():
        longer = f"{lines[-1]} {word}".lstrip()
        if sum(map(_columns, longer)) <= COLUMNS:
            lines[-1] = longer
        else:
            lines.append(fit(word, COLUMNS).rstrip())
    return lines


def fit(text: str, columns: int) -> str:
    """Return text cut or padded to a number of columns; wide characters take two."""
    kept, used = "", 0
    text = " ".join(clean(text).split(" "))
    whole = sum(map(_columns, text))
    for character in text:
        if used + _columns(character) > columns - (whole > columns):
            break
        kept, used = kept + character, used + _columns(character)
    return kept + "…" + " " * (columns - used - 1) if whole > columns else kept + " " * (columns - used)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
