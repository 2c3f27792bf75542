"""Tidy tables of rates, gaps, contrasts and image counts, also as CSV files that are safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module

from audit.naming import natural_order
from audit.predictions.bins import binned_levels
from audit.records.comparison import Comparisons, PairedModels
from audit.records.finding import Rate
from audit.results import AuditResult, Finding, Results
from reports.text.analyses import all_analyses, has_records
from reports.text.numbers import clean
from reports.text.sentences import title
from reports.tidy import AUDIT, Columns, TidyTable, tidy

_FORMULA = frozenset("=+-@|%\N{MINUS SIGN}")
"""Spreadsheets run a cell that begins like this as a formula, also in full-width, small or superscript form (NFKC)."""
QUESTION: Columns = {name: name for name in ("measurement", "metric", "outcome", "attributes")}
FINDING: Columns = {"finding": "id", **QUESTION}
ENDS: Columns = {name: name for name in ("low", "high")}
_LEVEL_OF: Columns = {"level": "level"}
"""The level of the intervals in a row."""
_COUNTED: Columns = {"group": "group or all images", "n": "n", "events": "events"}
RATE: Columns = {**_COUNTED, "rate": "value", **ENDS, "status": "status"}
_STATED: Columns = {"rate": "rate", "compared_rate": "value", **ENDS, "standardised_to": "standardised_to", "status": "status"}
"""The plain rate, then the rate by which groups are compared, with its interval: equal unless that is standardised."""
STANDARD = "true shares of all compared images"
_WEIGHTED: Columns = {name: name for name in ("effective_n", "standard_error")}
_GAP: Columns = {
    **{name: name for name in ("primary", "verdict", "exceeds_tolerance", "tolerance", "ratio_tolerance")},
    "leading_higher": "gap.leading.higher", "leading_lower": "gap.leading.lower", "leading": "gap.leading.difference",
    **{f"leading_{name}": f"gap.leading.{name}" for name in ("low", "high", "chance")},
    "highest": "gap.highest", "lowest": "gap.lowest", "gap": "gap.value",
    **{name: f"gap.{name}" for name in ("low", "high", "ratio", "p", "p_adjusted", "null_mean", "null_95", "minimum_detectable")},
    **{name: f"gap.{name}" for name in ("equivalence_bound", "equivalence_ratio", "ratio_low")},
    "ratio_of_rest": "ratio_of_rest",
}  # fmt: skip
_CONTRAST: Columns = {
    "first": "first", "second": "second or the rest",
    # Simultaneous intervals: no others are shown.
    "difference": "difference", "low": "low_adjusted", "high": "high_adjusted",
    **{name: name for name in ("p", "p_adjusted", "beyond_tolerance")},
}  # fmt: skip
_SHARE: Columns = {"group": "group", "n": "n", "share_given": "given", "true_share": "true", "excess": "excess", **ENDS}
_LEVEL: Columns = {name: name for name in ("attribute", "level", "images", "left_out")}

SIDES: Columns = {name: name for name in ("probe", "before", "after")}
_CHANGE: Columns = {
    **FINDING, **{name: name for name in ("primary", "verdict", "direction", "tolerance", "beyond_tolerance", "levelled_down")},
    "gap_before": "gap.before.value", "gap_after": "gap.after.value",
    **{name: f"gap.{name}" for name in ("difference", "low", "high", "p", "p_adjusted", "minimum_detectable")},
    "verdict_before": "verdict_before", "verdict_after": "verdict_after",
}  # fmt: skip
_REPLICATE: Columns = {"verdict": "verdict", "gap": "gap", "difference": "difference"}
_TOGETHER: Columns = {
    "replicates": "replicates", "standard_deviation": "each.standard_deviation", "highest": "each.mean.highest",
    "lowest": "each.mean.lowest", "mean_gap": "each.mean.value", "low": "each.mean.low", "high": "each.mean.high",
}  # fmt: skip


def csv_tables(results: Results) -> dict[str, str]:
    """Return CSV texts by file name: ``rates.csv``, ``gaps.csv``, ``contrasts.csv``, ``groups.csv``.

    Also ``shares.csv`` if the truth of a share given is known, ``changes.csv`` for several models, ``replicates.csv`` for replicates, and
    one file per kind of analysis, such as ``ranking.csv``.

    Fractions are between 0 and 1, unrounded; an empty cell is not estimable. A text that a spreadsheet would read as a formula is
    prefixed with an apostrophe.
    """
    made = {"rates": rates_table(results), "gaps": gaps_table(results), "contrasts": contrasts_table(results), "groups": _groups(results)}
    if any(finding.shares for _, finding in _findings(results)):
        made["shares"] = shares_table(results)
    if results.paired_models:
        made["changes"] = changes_table(results.paired_models)
    if results.replicates:
        made["replicates"] = replicates_table(results)
    made |= analysis_tables(results)
    return {f"{name}.csv": csv_text(*table) for name, table in made.items()}


def analysis_tables(results: Results) -> dict[str, TidyTable]:
    """Return the tables of the kinds of analysis that any audit has, by name."""
    return {
        analysis.name: import_module(analysis.section).table(results)
        for analysis in all_analyses()
        if not analysis.appendix and any(has_records(audit, analysis) for audit in results.audits)
    }


def rates_table(results: Results) -> TidyTable:
    """Return one row per finding and group, all images included: the question, the plain rate, and the rate that is compared."""
    level = _level_of(results)
    cells = (
        (audit, finding, {"question": title(finding, audit)}, cell, _stated(finding, cell), cell, level)
        for audit, finding in _findings(results)
        for cell in (*finding.by_group, finding.overall)
    )
    return tidy((AUDIT, FINDING, {"question": "question"}, _COUNTED, _STATED, {"baseline": "baseline", **_WEIGHTED}, _LEVEL_OF), cells)


def _stated(finding: Finding, cell: Rate) -> Mapping[str, object]:
    ends = {"value": cell.value, "low": cell.low, "high": cell.high, "status": cell.status}
    return {**ends, "rate": cell.value if cell.plain is None else cell.plain, "standardised_to": STANDARD if finding.shares else None}


def gaps_table(results: Results) -> TidyTable:
    """Return one row per finding."""
    rows = ((audit, finding, finding, _level_of(results)) for audit, finding in _findings(results))
    return tidy((AUDIT, FINDING, _GAP, _LEVEL_OF), rows)


def contrasts_table(results: Results) -> TidyTable:
    """Return one row per finding and contrast: each group against the rest, then each pair."""
    level = _level_of(results)
    contrasts = (
        (audit, finding, contrast, level) for audit, finding in _findings(results) for contrast in (*finding.contrasts, *finding.pairs)
    )
    return tidy((AUDIT, FINDING, _CONTRAST, _LEVEL_OF), contrasts)


def shares_table(results: Results) -> TidyTable:
    """Return one row per group for each share given whose truth is known; these are shown and never tested."""
    level = _level_of(results)
    return tidy(
        (AUDIT, FINDING, _SHARE, _LEVEL_OF), ((audit, finding, of, level) for audit, finding in _findings(results) for of in finding.shares)
    )


def _level_of(results: Results) -> Mapping[str, float]:
    return {"level": round(1 - results.settings.alpha, 6)}


def changes_table(facts: Comparisons | PairedModels) -> TidyTable:
    """Return one row per question and comparison."""
    return tidy((SIDES, _CHANGE), ((comparison, change) for comparison in facts.comparisons for change in comparison.changes))


def replicates_table(results: Results) -> TidyTable:
    """Return one row per planned question and replicate; `difference` is between the groups that differ most on average."""
    return tidy((AUDIT, FINDING, _REPLICATE, _TOGETHER), _replicated(results))


def _replicated(results: Results) -> Iterable[tuple[object, ...]]:
    for together in results.replicates:
        findings = {finding.id: finding for finding in results.audits[together.audits[0]].findings}
        for question in together.findings:
            for replicate, audit in enumerate(together.audits):
                difference = question.mean.differences[replicate] if question.mean else None
                own = {"verdict": question.verdicts[replicate], "gap": question.gaps[replicate], "difference": difference}
                yield results.audits[audit], findings[question.finding], own, {"replicates": len(question.gaps), "each": question}


def _groups(results: Results) -> TidyTable:
    return tidy((AUDIT, _LEVEL), ((audit, level) for audit in results.audits for level in _levels(audit)))


def _levels(audit: AuditResult) -> Iterable[Mapping[str, object]]:
    for attribute in natural_order(audit.data.groups):
        left_out: dict[str, int] = {}
        for exclusion in audit.data.exclusions:
            for level, images in exclusion.by_group.get(attribute, {}).items():
                left_out[level] = left_out.get(level, 0) + images
        used = audit.data.groups[attribute]
        known = [level for level in binned_levels(audit.data.notes).get(attribute, ()) if level in {*used, *left_out}]
        for level in (*known, *natural_order({*used, *left_out} - {*known})):
            yield {"attribute": attribute, "level": level, "images": used.get(level, 0), "left_out": left_out.get(level, 0)}


def _findings(results: Results) -> Iterable[tuple[AuditResult, Finding]]:
    return ((audit, finding) for audit in results.audits for finding in audit.findings)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV text that is safe to open in a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    """Return a value for a CSV cell: numbers unchanged, None as an empty cell, text safe from being run as a formula.

    Examples
    --------
    >>> _cell("=HYPERLINK(1)"), _cell(-0.5), _cell(None), _cell("Black")
    ("'=HYPERLINK(1)", -0.5, '', 'Black')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str):
        return value
    return without_formula(clean(value))


def without_formula(text: str) -> str:
    """Prefix a text with an apostrophe if a spreadsheet would run it as a formula.

    Leading spaces, control characters and zero-width characters are ignored, since some spreadsheets ignore them, too.

    Examples
    --------
    >>> without_formula("\uff1d1+1"), without_formula(" \u200b@SUM(A1)"), without_formula("Black")
    ("'\uff1d1+1", "' \u200b@SUM(A1)", 'Black')
    """
    first = next((character for character in text if unicodedata.category(character)[0] not in "ZC"), "")
    runs = unicodedata.normalize("NFKC", first)[:1] in _FORMULA or text.startswith(("\t", "\r"))
    return f"'{text}" if first and runs else text
