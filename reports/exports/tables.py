"""The same numbers as CSV files, for a spreadsheet: one for rates, gaps, contrasts and image counts. Safe to open there."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from audit.records.results import AuditResult, Contrast, Finding, Rate, Results
from reports.sections.page import natural
from reports.text.numbers import clean

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "|", "%")
"""A cell that begins like this is run as a formula by spreadsheets."""
_FINDING = ("model", "probe", "finding", "measurement", "metric", "outcome", "attributes")

Row = Sequence[object]


def tables(results: Results) -> dict[str, str]:
    """Return file name -> CSV text: ``rates.csv``, ``gaps.csv``, ``contrasts.csv``, ``groups.csv``.

    Fractions are between 0 and 1, with every digit; an empty cell is not estimable. A text that a spreadsheet would take for a formula
    gets an apostrophe in front.
    """
    return {f"{name}.csv": _csv(*table) for name, table in rows(results).items()}


def rows(results: Results) -> dict[str, tuple[Sequence[str], Iterable[Row]]]:
    """Return name -> header and rows of each table, as values; None is not estimable."""
    return {
        "rates": ((*_FINDING, "group", "n", "events", "rate", "low", "high", "status", "baseline"), _rates(results)),
        "gaps": (
            (*_FINDING, "primary", "verdict", "exceeds_tolerance", "tolerance", "highest", "lowest", "gap", "low", "high", "ratio", "p",
             "p_adjusted", "null_mean", "null_95", "minimum_detectable"),
            _gaps(results),
        ),
        "contrasts": (
            (*_FINDING, "first", "second", "difference", "low", "high", "low_adjusted", "high_adjusted", "p", "p_adjusted",
             "beyond_tolerance"),
            _contrasts(results),
        ),
        "groups": (("model", "probe", "attribute", "level", "images", "left_out"), _groups(results)),
    }  # fmt: skip


def _rates(results: Results) -> Iterable[Row]:
    for audit, finding in _findings(results):
        for cell in (*finding.by_group, finding.overall):
            yield (*_named(audit, finding), _group(cell) or "all images", cell.n, cell.events, cell.value, cell.low, cell.high,
                   cell.status, cell.baseline)  # fmt: skip


def _gaps(results: Results) -> Iterable[Row]:
    for audit, finding in _findings(results):
        lead = (*_named(audit, finding), finding.primary, finding.verdict, finding.exceeds_tolerance, finding.tolerance)
        gap = finding.gap
        if gap is None:
            yield (*lead, *[None] * 11)
        else:
            yield (*lead, " x ".join(gap.highest), " x ".join(gap.lowest), gap.value, gap.low, gap.high, gap.ratio, gap.p,
                   gap.p_adjusted, gap.null_mean, gap.null_95, gap.minimum_detectable)  # fmt: skip


def _contrasts(results: Results) -> Iterable[Row]:
    for audit, finding in _findings(results):
        for contrast in (*finding.contrasts, *finding.pairs):
            yield (*_named(audit, finding), *_compared(contrast))


def _compared(contrast: Contrast) -> Row:
    second = " x ".join(contrast.second) or "the rest"
    return (" x ".join(contrast.first), second, contrast.difference, contrast.low, contrast.high, contrast.low_adjusted,
            contrast.high_adjusted, contrast.p, contrast.p_adjusted, contrast.beyond_tolerance)  # fmt: skip


def _groups(results: Results) -> Iterable[Row]:
    for audit in results.audits:
        for attribute in natural(audit.data.groups):
            left_out = _left_out(audit, attribute)
            used = audit.data.groups[attribute]
            for level in natural({*used, *left_out}):
                yield audit.model.name, audit.probe.name, attribute, level, used.get(level, 0), left_out.get(level, 0)


def _left_out(audit: AuditResult, attribute: str) -> Mapping[str, int]:
    total: dict[str, int] = {}
    for exclusion in audit.data.exclusions:
        for level, images in exclusion.by_group.get(attribute, {}).items():
            total[level] = total.get(level, 0) + images
    return total


def _findings(results: Results) -> Iterable[tuple[AuditResult, Finding]]:
    return ((audit, finding) for audit in results.audits for finding in audit.findings)


def _named(audit: AuditResult, finding: Finding) -> Row:
    attributes = " x ".join(finding.attributes)
    return audit.model.name, audit.probe.name, finding.id, finding.measurement, finding.metric, finding.outcome, attributes


def _group(cell: Rate) -> str:
    return " x ".join(cell.group)


def _csv(header: Row, rows: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    """Return a number as it is, nothing as an empty cell, and a text that no spreadsheet runs.

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
    text = clean(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
