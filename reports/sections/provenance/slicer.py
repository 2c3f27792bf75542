"""Slice it yourself: the counts in the page for its slicer, and the texts of the slicer. The script does the computing."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

from audit.naming import natural_order
from audit.records.counts import CountRecord
from audit.results import AuditResult, MeasurementRecord, Results
from audit.types import UNCLEAR, UNKNOWN
from reports.section import script_hash
from reports.text.numbers import NOT_ESTIMABLE, clean
from reports.text.sentences import STATUSES

HASH = script_hash("sections/provenance/slicer.js")
_WORDS = {
    "all": "all",
    "only": "only",
    "by": "by",
    "against": "differences from",
    "anyLabel": "any: the right answer",
    "rest": "the rest",
    "everybody": "all images",
    "never": NOT_ESTIMABLE,
    "beyond": "exceeds it",
    "within": "not detected",
    "overall": "overall",
    "off": "off this scale",
    "forest": "The rate of each group with its interval; the numbers are in the table below.",
    "heat": "The slice as a grid",
    "summary": "{groups} of {all} groups have enough images to be compared, over {n} images that count.",
    "gap": "From {low} to {high}: {gap} points.",
    "cut": "The first {most} groups are shown.",
    "statuses": STATUSES,
}


def slicer(results: Results) -> Mapping[str, Any] | None:
    """Return the slicer of a page; None if the results have no counts (from an earlier version), or if images have weights."""
    counted = [audit for audit in results.audits if audit.data.weights is None]
    tables = [_table(audit, record, len(results.audits) > 1) for audit in counted for record in audit.counts if record.cells]
    if not tables:
        return None
    settings = results.settings
    return {
        "z": NormalDist().inv_cdf(1 - settings.alpha / 2),
        "minimum": settings.min_group_size,
        "tolerance": round(100 * settings.tolerance, 6),
        "unknown": UNKNOWN,
        "words": _WORDS,
        "tables": tables,
    }


def _table(audit: AuditResult, record: CountRecord, several: bool) -> Mapping[str, Any]:
    measurement = next(measurement for measurement in audit.measurements if measurement.name == record.measurement)
    question = clean(f"{record.measurement}: {measurement.question}")
    return {
        "title": f"{clean(audit.model.name)} · {clean(audit.probe.name)} · {question}" if several else question,
        "attributes": [
            {"name": clean(name), "levels": _distinct(levels)} for name, levels in zip(record.attributes, record.levels, strict=True)
        ],
        "answers": _distinct(record.answers),
        "outcomes": _outcomes(measurement, record),
        "truth": record.truth,
        "unclear": record.answers.index(UNCLEAR) if UNCLEAR in record.answers else -1,
        "cells": list(record.cells),
        "n": list(record.n),
    }


def _distinct(names: tuple[str, ...]) -> list[str]:
    """Return cleaned names, numbered if cleaning makes them equal, since the slicer groups by name."""
    seen: dict[str, int] = {}
    shown = []
    for name in map(clean, names):
        seen[name] = seen.get(name, 0) + 1
        shown.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return shown


def _outcomes(measurement: MeasurementRecord, record: CountRecord) -> list[Mapping[str, Any]]:
    code_of = {answer: code for code, answer in enumerate(record.answers)}
    return [
        {"name": clean(name), "answers": [code_of[answer] for answer in measurement.outcomes[name] if answer in code_of]}
        for name in natural_order(measurement.outcomes)
    ]
