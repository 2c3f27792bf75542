"""Counterfactual pairs: the same image with one attribute changed.

Uses paired methods: the two separate intervals do not show whether the rates differ, because the images are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from audit.errors import DataError, UsageError, nearest
from audit.records.finding import ClaimResult, PairedFinding
from audit.statistics.multiplicity import holm
from audit.statistics.null import generator, mcnemar_p, sign_flip_p
from audit.statistics.paired.joint import BOTH, NEITHER, ONLY_AFTER, ONLY_BEFORE, JointCounts, Kinds, change_ends
from audit.statistics.units.cluster_units import ClusterUnits
from audit.statistics.units.clusters import ClusterTable
from audit.statistics.units.sampling_unit import ImageUnits
from audit.types import UNKNOWN, Group, Measurement, PairedClaim, Predictions, Settings

Outcomes = Mapping[str, Mapping[str, Group]]
"""measurement -> outcome -> the answers that count as it."""


def paired_findings(
    claims: Sequence[PairedClaim], predictions: Mapping[str, Predictions], settings: Settings, outcomes: Outcomes | None = None
) -> tuple[PairedFinding, ...]:
    """Test every paired claim; Holm over all of them, on the p of the sign-flip test.

    Images that agree on `within` and differ in `attribute` form a pair, which is scored by right answers or, for a claim on one of the
    `outcomes`, by that outcome: then no truth is needed. Without a complete pair n is 0, the intervals cover everything and every p
    is 1.

    Raises UsageError if a claim names an unknown measurement, attribute or outcome, or has no outcome and there is no true answer;
    DataError if two images of the same side agree on `within`, or the two sides of a pair lie in different clusters.
    """
    unadjusted = []
    for claim in claims:
        answered = _predictions_of(claim, predictions)
        counted = None if claim.outcome is None else _outcome(claim, outcomes or {})
        unadjusted.append(_finding(claim, *_pairs(claim, answered, counted), settings))
    adjusted = holm(np.array([finding.sign_flip_p for finding in unadjusted])).tolist()
    return tuple(replace(finding, p_adjusted=p) for finding, p in zip(unadjusted, adjusted, strict=True))


def with_sets(measurement: Measurement, predictions: Predictions, claims: Sequence[PairedClaim]) -> Predictions:
    """Predictions that say which images are members of one counterfactual set (or of one cluster of sets), by attribute.

    Images of one gallery are compared like those of a set: a query retrieves the same number from each gallery, however many it has.
    """
    rows = predictions.attributes
    gallery = measurement.retrieval.gallery if measurement.retrieval else None
    galleries = {attribute: gallery for claim in measurement.claims for attribute in claim.by} if gallery in rows.columns else {}
    pairs = {claim.attribute: claim.cluster for claim in claims if claim.measurement == measurement.name and claim.cluster in rows.columns}
    named = {**galleries, **pairs}
    sets = {attribute: np.unique(rows[cluster].to_numpy(str), return_inverse=True)[1] for attribute, cluster in named.items()}
    return replace(predictions, sets=sets)


def answered_once(paired: Sequence[PairedFinding], findings: Sequence[ClaimResult]) -> tuple[PairedFinding, ...]:
    """Copy interval and p from a finding that compares the same two groups inside their sets: one analysis, one result."""
    by_groups = {
        (finding.measurement, finding.metric, finding.outcome, finding.attributes): finding
        for finding in findings
        if finding.gap is not None and finding.gap.within is not None and len(finding.contrasts) == 2
    }
    return tuple(_once(paired_finding, by_groups.get(_question(paired_finding))) for paired_finding in paired)


def _question(paired: PairedFinding) -> tuple[str, str, str | None, Group]:
    return paired.measurement, "accuracy" if paired.outcome is None else "selection_rate", paired.outcome, (paired.attribute,)


def _once(paired: PairedFinding, finding: ClaimResult | None) -> PairedFinding:
    if finding is None or finding.gap is None or not paired.n:
        return paired
    [contrast] = [contrast for contrast in finding.contrasts if contrast.first == (paired.first,)]
    gap, difference = finding.gap, contrast.difference
    return replace(paired, difference=difference, low=contrast.low, high=contrast.high, sign_flip_p=gap.p, p_adjusted=gap.p_adjusted)


def _where(claim: PairedClaim) -> str:
    return f"paired claim on {claim.attribute}: {claim.first} against {claim.second}"


def _outcome(claim: PairedClaim, outcomes: Outcomes) -> Group:
    """The answers that count as the outcome of a claim."""
    known = outcomes.get(claim.measurement, {})
    if claim.outcome is None or claim.outcome not in known:
        raise UsageError(f"no outcome {claim.outcome!r}", where=_where(claim), fix=nearest(claim.outcome or "", known))
    return known[claim.outcome]


def _predictions_of(claim: PairedClaim, predictions: Mapping[str, Predictions]) -> Predictions:
    if claim.measurement not in predictions:
        raise UsageError(f"no measurement {claim.measurement!r}", where=_where(claim), fix=nearest(claim.measurement, predictions))
    answered = predictions[claim.measurement]
    if answered.y_true is None and claim.outcome is None:
        fix = "give the claim an outcome: PairedClaim(…, outcome='harm') is scored by who is given it"
        raise UsageError("pairs need a true answer: they are scored by who is right", where=_where(claim), fix=fix)
    for name in (claim.attribute, claim.cluster, *claim.within):
        if name not in answered.attributes.columns:
            raise UsageError(f"no attribute {name!r}", where=_where(claim), fix=nearest(name, map(str, answered.attributes.columns)))
    return answered


def _pairs(claim: PairedClaim, predictions: Predictions, outcome: Group | None) -> tuple[pd.DataFrame, int]:
    """The complete pairs, a table with columns event_1, event_2, flip and cluster; and the number of images without a partner.

    An event is a right answer or, for a claim on an outcome, one of its answers.
    """
    rows = predictions.attributes.reset_index(drop=True)
    table = pd.DataFrame(
        {
            "set": pd.Series(list(rows[list(claim.within)].itertuples(index=False, name=None)), dtype=object),
            "cluster": rows[claim.cluster],
            "answer": predictions.y_pred,
            "event": np.asarray(predictions.y_pred == predictions.y_true) if outcome is None else np.isin(predictions.y_pred, outcome),
        }
    )
    identified = (rows[list(claim.within)] != UNKNOWN).all(axis=1)
    if outcome is None:
        identified &= predictions.y_true != UNKNOWN
    both, sets = _matched(claim, rows, table, identified)
    return both.assign(cluster=both["cluster_1"], flip=both["answer_1"] != both["answer_2"]), sets - len(both)


def check_pairs(claim: PairedClaim, attributes: pd.DataFrame) -> None:
    """Raise `DataError` as `paired_findings` would about answers to all of these images."""
    rows = attributes.reset_index(drop=True)
    table = pd.DataFrame({"set": pd.Series(list(rows[list(claim.within)].itertuples(index=False, name=None)), dtype=object)})
    _matched(claim, rows, table.assign(cluster=rows[claim.cluster]), (rows[list(claim.within)] != UNKNOWN).all(axis=1))


def _matched(claim: PairedClaim, rows: pd.DataFrame, table: pd.DataFrame, identified: pd.Series) -> tuple[pd.DataFrame, int]:
    """The rows of both sides of each complete pair, joined, and the number of pairs, complete or not."""
    sides = [table[rows[claim.attribute] == level] for level in (claim.first, claim.second)]
    first, second = (_unique(claim, side[identified[side.index]]) for side in sides)
    both = first.merge(second, on="set", suffixes=("_1", "_2")).sort_values("set", ignore_index=True)
    if (both["cluster_1"] != both["cluster_2"]).any():
        raise DataError(f"the two images of a pair differ in {claim.cluster!r}", where=_where(claim),
                        why="a pair cannot lie in two clusters", fix=f"name {claim.cluster!r} in `within`")  # fmt: skip
    return both, len({*first["set"], *second["set"]}) + sum(int((~identified[side.index]).sum()) for side in sides)


def _unique(claim: PairedClaim, side: pd.DataFrame) -> pd.DataFrame:
    repeated = side["set"][side["set"].duplicated()]
    if len(repeated):
        raise DataError(
            f"{len(repeated)} image{' is' if len(repeated) == 1 else 's are'} not a unique member of a pair",
            where=_where(claim),
            why=f"more than one shows {' × '.join(repeated.iloc[0])}",
            fix="name in `within` (--pairs ATTRIBUTE=COLUMN,COLUMN) what tells them apart",
        )
    return side


def _finding(claim: PairedClaim, table: pd.DataFrame, incomplete: int, settings: Settings) -> PairedFinding:
    n = len(table)
    score = table["event_1"].to_numpy(int) - table["event_2"].to_numpy(int)
    only_first, only_second = int((score > 0).sum()), int((score < 0).sum())
    by_cluster = pd.Series(score, dtype=int).groupby(table["cluster"].to_numpy()).sum()
    name = "/".join(("paired", claim.measurement, claim.attribute, claim.first, claim.second, *filter(None, [claim.outcome])))
    flip_p = sign_flip_p(by_cluster.to_numpy(float), settings.draws, generator(settings.seed, name))
    flips = int(table["flip"].sum())
    (flip_low, flip_high), (low, high) = pair_intervals(table, settings.alpha) if n else ((None, None), (None, None))
    return PairedFinding(
        measurement=claim.measurement,
        attribute=claim.attribute,
        first=claim.first,
        second=claim.second,
        n=n,
        incomplete=incomplete,
        flips=flips,
        flip_rate=flips / n if n else None,
        flip_low=flip_low,
        flip_high=flip_high,
        only_first_correct=only_first,
        only_second_correct=only_second,
        difference=(only_first - only_second) / n if n else None,
        low=low,
        high=high,
        mcnemar_p=mcnemar_p(only_first, only_second),
        sign_flip_p=flip_p,
        clusters=len(by_cluster),
        cluster_attribute=claim.cluster,
        p_adjusted=flip_p,
        outcome=claim.outcome,
    )


def pair_intervals(table: pd.DataFrame, alpha: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """The intervals of the flip rate and of the net difference; the pairs of one cluster count as one.

    `table` has one row per pair and the columns event_1, event_2, flip and cluster.
    """
    names, cluster = np.unique(table["cluster"].to_numpy(str), return_inverse=True)
    first, second = (table[side].to_numpy(bool) for side in ("event_1", "event_2"))
    cell = np.select([first & second, second, first], [BOTH, ONLY_BEFORE, ONLY_AFTER], NEITHER)  # the first image takes the role of "after"
    cells = np.bincount(4 * cluster + cell, minlength=4 * len(names)).reshape(-1, 1, 4)
    flips = np.bincount(cluster, table["flip"]).astype(np.int64)[:, None]
    pairs, once = cells.sum(axis=2), np.ones(len(names), np.int64)
    alone = len(names) == len(table)
    units = ImageUnits(flips.sum(axis=0), pairs.sum(axis=0)) if alone else ClusterUnits(ClusterTable(flips, pairs, once))
    joint = JointCounts(((),), cells.sum(axis=0), pairs.sum(axis=0), None if alone else Kinds(cells, once))
    (flip_low,), (flip_high,) = (end.tolist() for end in units.intervals(alpha))
    (low,), (high,) = (end.tolist() for end in change_ends(joint, alpha))
    return (flip_low, flip_high), (low, high)
