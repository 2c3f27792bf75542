"""Texts of the card of a finding: its title and the three numbers below its chart; also the note above the appendix."""

from __future__ import annotations

from audit.results import AuditResult, Finding
from audit.types import Settings
from reports.text import phrases, sentences
from reports.text.error_rates import confused, with_error_rates
from reports.text.headline import interval_level, statement, tolerance_origin
from reports.text.headline.captions import groups_title
from reports.text.numbers import count


def appendix_note(file: str, *, has_tables: bool) -> str:
    """Say what is printed of an appendix, and where to find the rows that its tables leave out."""
    tables = "Long tables are shortened here; the CSV files in the folder “tables” next to this page have every row. " if has_tables else ""
    return f"Collapsed sections are not printed: open those you want, or tick the box below. {tables}{file} has every number."


def found_title(finding: Finding, audit: AuditResult) -> str:
    """Return the title of a finding: groups and rates of a difference; otherwise what is undecided, or the tolerance."""
    if finding.verdict in ("disparity", "signal"):
        return statement(finding, audit)
    title = groups_title(finding, audit) if confused(finding, audit) else sentences.title(finding, audit)
    if finding.verdict == "equivalent":
        return f"{title}: no difference of more than {phrases.tolerances(finding)}"
    if finding.verdict == "inconclusive" and finding.gap is not None:
        return f"{title}: {'true answers are missing' if finding.withheld else 'too few images to tell'}"
    return title


def chart_title(finding: Finding, audit: AuditResult) -> str:
    """Return the title of the chart, which shows errors where there are only two answers."""
    return sentences.title(finding, audit) if with_error_rates(finding, audit) is finding else groups_title(finding, audit)


def other_rate(finding: Finding, audit: AuditResult) -> list[str]:
    """Say that the statistics are about the rate that was tested, not the share of errors that title and chart show, if so."""
    pair = confused(finding, audit)
    if pair is None or with_error_rates(finding, audit) is finding:
        return []
    rate = sentences.metric_of(finding, sentences.truth_of(finding, audit))
    return [f"The statistics below are about the {rate}: 100\u00a0% minus the share of ‘{pair[0]}’ taken for ‘{pair[1]}’."]


def three_numbers(finding: Finding, audit: AuditResult, settings: Settings) -> tuple[tuple[str, str], ...]:
    """Return the terms and values below a chart: the gap, what is expected by chance, and the tolerance or the detectable difference."""
    gap = finding.gap
    if gap is None:
        return ()
    level = f"{interval_level(settings)}\u00a0%"
    third = (
        ("Could reliably detect only", f"above {phrases.detectable_text(finding)}")
        if finding.verdict == "inconclusive" and not finding.withheld
        else (f"Tolerance ({tolerance_origin(finding, audit, settings)})", phrases.tolerances(finding))
    )
    return (
        (f"{'Widest gap' if finding.diffuse else 'Gap'} [{level} interval]", phrases.gap_text(finding)),
        *(() if finding.diffuse else ((f"Expected by chance ({level})", f"up to {phrases.chance_text(finding)}"),)),
        third,
    )


def exploratory_sentence(comparisons: int, estimable: int) -> str:
    """Say that comparisons are exploratory, what their p-values are adjusted for, and how many cannot be estimated."""
    are = "comparison is exploratory: it shows" if comparisons == 1 else "comparisons are exploratory: they show"
    adjusted = "" if comparisons == 1 else "; their p-values are adjusted among themselves (Benjamini-Hochberg)"
    few = f" Not estimable, for lack of two groups with enough images: {count(comparisons - estimable)}." if estimable < comparisons else ""
    return f"{count(comparisons)} {are} a signal or none, never a verdict{adjusted}.{few}"
