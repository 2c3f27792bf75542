"""Comparisons of two models on the same images, recomputed from the answers of both audits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtrit

from verify import formulas
from verify.answers import METRICS, UNKNOWN, Answers, counted, numbered
from verify.clusters import Clusters, Kinds
from verify.finding import rated, statuses
from verify.formulas import Ends
from verify.images import Images, Units, leading, multinomial, share_reaching, stream
from verify.ledger import Drawn, Ledger, Path, drawn
from verify.missing_truth import depends_on
from verify.paired import Change
from verify.verdicts import of_audit

Facts = dict[str, Any]
Side = tuple[Mapping[str, Any], Callable[[str], Answers]]
"""An audit and, by measurement, its answers."""
Lookup = Callable[[str, str], Side | None]
"""From the name of a side and a probe to it."""
MOST_PAIRS, FEWEST_CLUSTERS = 21, 15
POWER = 0.8


@dataclass(frozen=True)
class ComparisonRun:
    """What all changes of a file share."""

    settings: Mapping[str, Any]
    same_numpy: bool

    @property
    def alpha(self) -> float:
        return float(self.settings["alpha"])

    @property
    def draws(self) -> int:
        return int(self.settings["draws"])


class Joint:
    """The images of each group by event before and after."""

    def __init__(
        self, group: np.ndarray, before: np.ndarray, after: np.ndarray, counts: np.ndarray, cluster: np.ndarray | None, groups: int
    ):
        self.images = np.bincount(group, minlength=groups)
        self.group, self.before, self.after = group[counts], before[counts], after[counts]
        self.cluster, self.groups, self.whole = None if cluster is None else cluster[counts], groups, True

    @property
    def n(self) -> np.ndarray:
        return np.bincount(self.group, minlength=self.groups)

    @cached_property
    def cells(self) -> np.ndarray:
        """int[g, 4]: both, only before, only after, neither."""
        kind = np.select([self.before & self.after, self.before, self.after], [0, 1, 2], 3)
        return np.bincount(4 * self.group + kind, minlength=4 * self.groups).reshape(-1, 4)

    def units(self, *, after: bool) -> Units:
        """One model's events with their sampling units."""
        event = self.after if after else self.before
        if self.cluster is None:
            return Images(np.bincount(self.group[event], minlength=self.groups), self.n)
        return Clusters(Kinds.of_rows(self.cluster, self.group, event, np.ones(len(event)), self.groups))

    def change(self, group: int | None) -> Change:
        """The change of one group, or of all images."""
        here = slice(None) if group is None else self.group == group
        net = self.after[here].astype(int) - self.before[here]
        return Change(net, None if self.cluster is None else self.cluster[here])

    def of(self, groups: np.ndarray) -> Joint:
        """Only some groups."""
        new = np.full(self.groups, -1)
        new[groups] = np.arange(len(groups))
        kept = new[self.group] >= 0
        parts = new[self.group[kept]], self.before[kept], self.after[kept], np.ones(int(kept.sum()), bool)
        some = Joint(*parts, None if self.cluster is None else self.cluster[kept], len(groups))
        some.whole = bool(kept.all()) and len(groups) == self.groups
        return some

    # ---- pairs of groups -------------------------------------------------------------------------------------------------------------

    @cached_property
    def changes(self) -> Kinds:
        """The clusters by what each gains, or loses, in each group; of images without clusters, each is one."""
        cluster = np.arange(len(self.group)) if self.cluster is None else self.cluster
        return Kinds.of_rows(cluster, self.group, self.after.astype(int) - self.before, np.ones(len(self.group)), self.groups)

    @cached_property
    def correlation(self) -> np.ndarray:
        """The correlation of two groups' changes through the clusters that span both."""
        spread = self.changes.covariances()
        scale = np.sqrt(np.outer(np.diag(spread), np.diag(spread)))
        return np.asarray(np.clip(spread / np.where(scale > 0, scale, 1.0), -1, 1))

    def intervals(self, alpha: float, limits: Callable[[Change, float], tuple[float, float]]) -> Ends:
        """The limits of the change of every pair's difference."""
        i, j = np.triu_indices(self.groups, 1)
        each = [self.change(group) for group in range(self.groups)]
        ends = np.array([limits(change, alpha) for change in each])
        value = np.array([change.net.mean() for change in each])
        sides = (ends[i, 0], ends[i, 1]), (ends[j, 0], ends[j, 1])
        clusters = self.changes.sums().effective
        correlation = formulas.below_one(self.correlation[i, j], np.minimum(clusters[i], clusters[j]), alpha)
        return formulas.joined(value[i], sides[0], value[j], sides[1], correlation)

    def gap(self) -> float:
        """The gap after minus the gap before."""
        return float(_gap_difference(self.cells))

    def deviations(self, draws: int, rng: np.random.Generator) -> np.ndarray:
        """Resampled changes of the gap, minus the value that they vary around."""
        if self.cluster is not None:
            return self._of_clusters(draws, rng)
        cells = self.cells + 0.5
        cells *= (self.n / cells.sum(axis=1))[:, None]
        if self.cells[:, 1].tolist() > self.cells[:, 2].tolist():  # so that exchanging the models only changes signs
            cells = cells[:, [0, 2, 1, 3]]
        sampled = np.zeros((draws, *cells.shape), np.int64)
        for group, row in enumerate(cells):
            sampled[:, group] = multinomial(int(np.rint(row.sum())), row / row.sum(), draws, rng)
        return np.asarray(_gap_difference(sampled) - float(_gap_difference(cells)))

    def _of_clusters(self, draws: int, rng: np.random.Generator) -> np.ndarray:
        assert self.cluster is not None  # noqa: S101 - the caller checks it
        _, owner = np.unique(self.cluster, return_inverse=True)
        kind = np.select([self.before & self.after, self.before, self.after], [0, 1, 2], 3)
        every = np.zeros((int(owner.max()) + 1, self.groups, 4), np.int64)
        np.add.at(every, (owner, self.group, kind), 1)
        kinds, often = np.unique(every.reshape(len(every), -1), axis=0, return_counts=True)
        kinds = kinds.reshape(-1, self.groups, 4)
        total = np.zeros((draws, self.groups, 4))
        _, pattern = np.unique(kinds.sum(axis=2) > 0, axis=0, return_inverse=True)
        for alike in np.unique(pattern.ravel()):
            rows = np.flatnonzero(pattern.ravel() == alike)
            times = multinomial(int(often[rows].sum()), often[rows] / often[rows].sum(), draws, rng)
            total += np.tensordot(times, kinds[rows], axes=1)
        fewest = int((often @ (kinds.sum(axis=2) > 0)).min())
        wider = (fewest / (fewest - 1)) ** 0.5 * stdtrit(fewest - 1, 0.975) / ndtri(0.975)
        return np.asarray(wider * (_gap_difference(total) - self.gap()))


def _gap_difference(cells: np.ndarray) -> np.ndarray:
    n = cells.sum(axis=-1)
    before, after = (cells[..., 0] + cells[..., only] for only in (1, 2))
    return np.asarray(np.ptp(after / n, axis=-1) - np.ptp(before / n, axis=-1))


def _agresti_min(change: Change, alpha: float) -> tuple[float, float]:
    return change.limits(alpha)


def _tango(change: Change, alpha: float) -> tuple[float, float]:
    gained, lost, n = change.effective(alpha)
    return -_tango_upper(lost, gained, n, alpha), _tango_upper(gained, lost, n, alpha)


def _tango_upper(gained: float, lost: float, n: float, alpha: float) -> float:
    """Tango's upper limit of a paired difference, for half a pair more than was observed."""
    observed, z = min((gained - lost) / n + 0.5 / n, 1.0), formulas.normal(alpha)

    def accepted(d: np.ndarray) -> np.ndarray:
        b, c = (2 * n - gained + lost) * d - gained - lost, -lost * d * (1 - d)
        share = (np.sqrt(np.maximum(b**2 - 8 * n * c, 0.0)) - b) / (4 * n)
        variance = np.maximum((2 * share + d * (1 - d)) / n, 1e-200)
        return np.asarray((observed - d) / np.sqrt(variance) > -z)

    return float(formulas.bisect(np.array([observed - 1e-12]), np.ones(1), accepted)[0])


# ---- one change ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Changed:
    """A recomputed change before p is adjusted."""

    record: Mapping[str, Any]
    facts: Facts
    joint: Joint
    """The compared groups."""
    p: float | None
    path: Path


def _by_group(joint: Joint, names: Sequence[Sequence[str]], statuses: Sequence[str], run: ComparisonRun, level: float) -> list[Facts]:
    """The change of each group; `level` is 1 minus that of the simultaneous interval."""
    units = [joint.units(after=after) for after in (False, True)]
    sides = [rated(names, side.events, joint.n, side, statuses, run.alpha) for side in units]
    rows: list[Facts] = []
    for at, name in enumerate(names):
        change = joint.change(None if not len(name) else at)
        n = len(change.net)
        p, exact = change.p(run.settings, f"{tuple(name)}/flip")
        wide = level if statuses[at] == "ok" else run.alpha
        ends = (*change.limits(run.alpha), *change.limits(wide)) if n else (None,) * 4
        rows.append({
            "before": sides[0][at], "after": sides[1][at], "gained": change.gained, "lost": change.lost,
            "difference": (change.gained - change.lost) / n if n else None, "p": drawn(p, run.draws, repeated=exact or run.same_numpy),
            **dict(zip(("low", "high", "low_adjusted", "high_adjusted"), ends, strict=True)),
        })  # fmt: skip
    return rows


def _changed(
    run: ComparisonRun, record: Mapping[str, Any], joint: Joint, lacking: Lacking | None, claims: int, path: Path, ledger: Ledger
) -> Changed:
    names = [tuple(row["before"]["group"]) for row in record["by_group"]]
    status = statuses(names, joint.images, joint.n, joint.units(after=False), int(run.settings["min_group_size"]))
    ok = np.array([at for at, one in enumerate(status) if one == "ok"], np.int64)
    rows = _by_group(joint, names, status, run, run.alpha / max(len(ok), 1))
    p = np.array([row["p"].value for row in rows])
    p[ok] = formulas.holm(p[ok])
    for row, value in zip(rows, p.tolist(), strict=True):
        row["p_adjusted"] = Drawn(value, row["p"].error * max(len(ok), 1))
    everybody = Joint(np.zeros(len(joint.group), np.int64), joint.before, joint.after, np.ones(len(joint.group), bool), joint.cluster, 1)
    [overall] = _by_group(everybody, [()], ["ok" if len(joint.group) else "not estimable"], run, run.alpha)
    overall["p_adjusted"] = overall["p"]
    facts: Facts = {"by_group": rows, "overall": overall, "gap": None, "pairs": [], "missing_truth": None}
    compared = joint.of(ok)
    if len(ok) < 2:
        return Changed(record, facts, compared, None, path)
    groups = [list(names[at]) for at in ok]
    facts["pairs"] = _pairs(run, compared, groups, claims)
    facts["gap"] = _gap(run, compared, groups, record["id"])
    facts["missing_truth"] = _missing_truth(run, lacking, compared, ok, facts, claims) if lacking else None
    recorded = (record["gap"] or {}).get("p")
    agrees = ledger.compare((*path, "gap", "p"), recorded, facts["gap"]["p"])
    return Changed(record, facts, compared, recorded if agrees else facts["gap"]["p"].value, path)


def _pairs(run: ComparisonRun, joint: Joint, names: list[list[str]], claims: int) -> list[Facts]:
    """The pairs whose difference changed most, reversed ones first."""
    i, j = np.triu_indices(joint.groups, 1)
    units = joint.units(after=False), joint.units(after=True)
    before, after = (np.asarray(side.events[i] / side.n[i] - side.events[j] / side.n[j]) for side in units)
    level = run.alpha / (len(i) * claims)
    ends = [side.differences(i, j, level) for side in units]
    turned = ((ends[0][0] > 0) & (ends[1][1] < 0)) | ((ends[0][1] < 0) & (ends[1][0] > 0))
    own, wide = (joint.intervals(alpha, _agresti_min) for alpha in (run.alpha, run.alpha / len(i)))
    columns = {
        "before": before, "after": after, "difference": after - before, "low": own[0], "high": own[1], "low_adjusted": wide[0],
        "high_adjusted": wide[1], "reversed": turned,
    }  # fmt: skip
    order = np.lexsort((-np.abs(after - before), ~turned))[:MOST_PAIRS]
    return [
        {"first": names[i[at]], "second": names[j[at]], **{name: column[at].item() for name, column in columns.items()}} for at in order
    ]


def _gap(run: ComparisonRun, joint: Joint, names: list[list[str]], name: str) -> Facts:
    value, alpha = joint.gap(), run.alpha
    moved = joint.deviations(run.draws, stream(int(run.settings["seed"]), f"{name}/change"))
    low, high = np.quantile(moved, [alpha / 2, 1 - alpha / 2])
    ends = [value + float(min(low, -high)), value + float(max(high, -low))]
    if not moved.any():
        lower, upper = joint.intervals(alpha, _agresti_min)
        i, j = np.triu_indices(joint.groups, 1)
        apart = np.array([joint.change(group).net.mean() for group in range(joint.groups)])
        half = float(max((apart[i] - apart[j] - lower).max(), (upper - apart[i] + apart[j]).max()))
        ends = [max(value - half, -1.0), min(value + half, 1.0)]
    p = min(1.0, 2 * max(share_reaching(moved, abs(value)), share_reaching(-moved, abs(value))))
    repeated = run.same_numpy and (joint.cluster is None or joint.whole)  # not if clusters also lie in groups that are not compared
    of_draws, error = drawn(p, run.draws, repeated=repeated), 0.0 if repeated else float(moved.std()) * 4 / run.draws**0.5
    gained, lost, n = (np.array(part) for part in zip(*(joint.change(at).effective(alpha) for at in range(joint.groups)), strict=True))
    variance = np.sort((gained + lost + 1 - (gained - lost) ** 2 / (n + 2)) / (n + 2) ** 2)[-2:].sum()
    pairs = len(n) * (len(n) - 1) // 2
    return {
        "before": _gap_ends(joint.units(after=False), names, alpha), "after": _gap_ends(joint.units(after=True), names, alpha),
        "difference": value, "low": Drawn(ends[0], error), "high": Drawn(ends[1], error), "p": of_draws,
        "minimum_detectable": float(min(2.0, (ndtri(1 - alpha / (2 * pairs)) + ndtri(POWER)) * np.sqrt(variance))),
    }  # fmt: skip


def _gap_ends(units: Units, names: list[list[str]], alpha: float) -> Facts:
    i, j = units.pairs()
    low, high = units.differences(i, j, alpha / len(i))
    rates = units.events / units.n
    top, bottom = leading(rates), len(rates) - 1 - leading(-rates[::-1])
    limits = max(float(np.maximum(low, -high).max()), 0.0), float(np.maximum(high, -low).max())
    return {"highest": names[top], "lowest": names[bottom], "value": float(np.ptp(rates)), "low": limits[0], "high": limits[1]}


# ---- missing true answers ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lacking:
    """The images without a true answer, in the rows of both models."""

    group: np.ndarray
    names: list[tuple[str, ...]]
    lacking: np.ndarray
    named: Mapping[tuple[str | None, str], np.ndarray]
    """The rows with each answer before, with each after, and with the same."""
    cell: np.ndarray | None
    """0 to 3: in both, only before, only after, in neither, if the image counts; None: every image counts, as right or wrong."""


def _lacking(audit: Mapping[str, Any], record: Mapping[str, Any], before: Answers, after: Answers) -> Lacking | None:
    if before.y_true is None or not METRICS[record["metric"]][3]:
        return None
    measurement = next(m for m in audit["measurements"] if m["name"] == record["measurement"])
    chosen = None if record["outcome"] is None else list(measurement["outcomes"][record["outcome"]])
    names = [tuple(row["before"]["group"]) for row in record["by_group"]]
    sides = [side.y_pred.astype(str) for side in (before, after)]
    named: dict[tuple[str | None, str], np.ndarray] = {}
    for given, side in zip(sides, ("before", "after"), strict=True):
        labels = sorted(set(given.tolist()))
        own = {(label, side): given == label for label in (labels[:1] if len(labels) == 2 else labels)}
        named |= own if chosen is None else {(record["outcome"], side): np.isin(given, chosen)}
    first, second = sides if chosen is None else [np.isin(given, chosen) for given in sides]
    named[None, "both"] = first == second
    kind = METRICS[record["metric"]][1]
    if kind == "missed":
        first, second = ~first, ~second
    cell = None if kind == "correct" else np.select([first & second, first, second], [0, 1, 2], 3)
    return Lacking(numbered(before, record["attributes"], names), names, before.y_true == UNKNOWN, named, cell)


def _missing_truth(run: ComparisonRun, rows: Lacking, joint: Joint, ok: np.ndarray, facts: Facts, claims: int) -> Facts | None:
    """Where true answers are missing depending on either answer, and the changes that the missing ones allow."""
    keys, names = list(rows.named), [rows.names[at] for at in ok]
    named = {str(at): rows.named[key] for at, key in enumerate(keys)}
    found = depends_on(rows.lacking, named, rows.group, names, ok, run.alpha)
    if found is None:
        return None
    found["answer"], found["answered_by"] = keys[int(found["answer"])]

    def counted_rows(which: np.ndarray) -> np.ndarray:
        return np.asarray(np.bincount(rows.group[rows.lacking & which], minlength=len(rows.names))[ok], float)

    n, cells = joint.n.astype(float), joint.cells.astype(float)
    events = cells[:, 0] + cells[:, 1], cells[:, 0] + cells[:, 2]
    net = cells[:, 2] - cells[:, 1]
    if rows.cell is None:
        every, differing = counted_rows(np.ones(len(rows.group), bool)), counted_rows(~rows.named[None, "both"])
        n = n + every
        ends = [(k / n, (k + every) / n) for k in events]
        change = ((net - differing) / n, (net + differing) / n)
    else:
        both, one, two, neither = (counted_rows(rows.cell == kind) for kind in range(4))
        ups = (both + one, neither + two), (both + two, neither + one)
        ends = [(k / (n + down), (k + up) / (n + up)) for k, (up, down) in zip(events, ups, strict=True)]
        same, low, high = both + neither, net - one, net + two
        change = (low / (n + one + np.where(low > 0, same, 0)), high / (n + two + np.where(high < 0, same, 0)))
    return found | {"filled": _filled(run, joint, facts, names, (ends[0], ends[1], change), claims)}


Limits = tuple[np.ndarray, np.ndarray]


def _filled(
    run: ComparisonRun, joint: Joint, facts: Facts, names: Sequence[Sequence[str]], ends: tuple[Limits, Limits, Limits], claims: int
) -> Facts:
    (before, after, change), gap = ends, facts["gap"]
    i, j = np.triu_indices(joint.groups, 1)
    low, high = joint.intervals(2 * run.alpha, _tango)
    moved = np.array([joint.change(group).net.mean() for group in range(joint.groups)])
    value = moved[i] - moved[j]
    reach = float(max((value - low - change[0][i] + change[1][j]).max(), (high - value + change[1][i] - change[0][j]).max()))
    place = {tuple(name): at for at, name in enumerate(names)}
    turned = [pair for pair in facts["pairs"] if pair["reversed"]]
    if turned:
        level = run.alpha / (len(i) * claims)
        kept = [_reversal(joint, pair, place, (before, after), level) for pair in turned]
        return max(kept, key=lambda one: float(one["low"].value)) | {"reach": reach}
    grew = gap["difference"] >= 0
    chosen, other = (gap["after"], gap["before"]) if grew else (gap["before"], gap["after"])
    towards = (before, after, change) if grew else (after, before, (-change[1], -change[0]))
    back = (after, before, (-change[1], -change[0])) if grew else (before, after, change)
    pairs = [change[1][a] - change[0][b] for a, b in permutations(range(joint.groups), 2)]
    least = max(_growth(*towards, place[tuple(chosen["highest"])], place[tuple(chosen["lowest"])]), -float(max(pairs)))
    most = min(-_growth(*back, place[tuple(other["highest"])], place[tuple(other["lowest"])]), float(max(pairs)))
    margin = gap["difference"] - gap["low"].value if grew else gap["high"].value - gap["difference"]
    end = Drawn(least - margin, gap["low"].error)
    return {"higher": chosen["highest"], "lower": chosen["lowest"], "least": least, "most": most, "low": end, "reach": reach}


def _growth(before: Limits, after: Limits, change: Limits, high: int, low: int) -> float:
    """The least that the gap may grow: over all pairs before, the sum of each group's own least part."""
    parts = []
    for i, j in permutations(range(len(before[0])), 2):
        total = 0.0
        for group in {high, low, i, j}:
            now, then = (group == high) - (group == low), (group == i) - (group == j)
            if now == then:
                total += change[0][group] if now > 0 else -change[1][group]
            else:
                total += {1: after[0][group], 0: 0.0, -1: -after[1][group]}[now]
                total += {1: -before[1][group], 0: 0.0, -1: before[0][group]}[then]
        parts.append(float(total))
    return min(parts)


def _reversal(joint: Joint, pair: Facts, place: Mapping[tuple[str, ...], int], sides: tuple[Limits, Limits], alpha: float) -> Facts:
    """The smaller of the difference before, and that in the other direction after."""
    one, two = (pair["first"], pair["second"]) if pair["before"] > 0 else (pair["second"], pair["first"])
    i, j = place[tuple(one)], place[tuple(two)]
    least, most, low = [], [], []
    for which, (first, second) in enumerate(((i, j), (j, i))):
        rates = sides[which]
        value = abs(pair["after" if which else "before"])
        interval = joint.units(after=bool(which)).differences(np.array([first]), np.array([second]), alpha)
        least.append(float(rates[0][first] - rates[1][second]))
        most.append(float(rates[1][first] - rates[0][second]))
        low.append(least[-1] - (value - float(interval[0][0])))
    return {"higher": one, "lower": two, "least": min(least), "most": min(most), "low": Drawn(min(low), 0.0)}


# ---- verdicts ------------------------------------------------------------------------------------------------------------------------


def _decided(run: ComparisonRun, changed: Changed, p_adjusted: float | None, comparison: Mapping[str, Any]) -> Facts:
    gap, record, alpha = changed.facts["gap"], changed.record, run.alpha
    facts: Facts = {"direction": None, "beyond_tolerance": False, "levelled_down": False}
    if gap is None:
        return facts | {"verdict": "inconclusive" if comparison["limited"] else "not estimable"}
    gap = {**gap, "p_adjusted": changed.p if p_adjusted is None else p_adjusted}
    reversed_pairs = [pair for pair in changed.facts["pairs"] if pair["reversed"]]
    bound = 0.0
    if not comparison["same_model"]:
        low, high = changed.joint.intervals(2 * alpha, _tango)
        bound = float(max(-low.min(), high.max()))
    p = 0.0 if reversed_pairs else gap["p_adjusted"] if gap["difference"] else 1.0
    verdict = "equivalent" if bound < record["tolerance"] else "disparity" if p <= alpha else "inconclusive"
    verdict = "inconclusive" if comparison["limited"] else verdict
    facts |= {"gap": gap, "verdict": verdict, "withheld": None}
    direction = "reversed" if reversed_pairs else "grew" if gap["difference"] > 0 else "shrank"
    ends = [(pair["low_adjusted"], pair["high_adjusted"]) for pair in reversed_pairs] or [(gap["low"].value, gap["high"].value)]
    if verdict == "disparity" and direction == "shrank" and record["verdict_after"] == "not estimable":
        return facts | {"verdict": "inconclusive"}
    filled = None if changed.facts["missing_truth"] is None or comparison["same_model"] else changed.facts["missing_truth"]["filled"]
    if filled is not None and (filled["reach"] >= record["tolerance"] if verdict == "equivalent" else filled["low"].value <= 0):
        held_back = verdict in ("equivalent", "disparity")
        facts |= {"verdict": "inconclusive", "withheld": verdict} if held_back else {}
    if facts["verdict"] != "disparity":
        return facts
    beyond = any(low > record["tolerance"] or high < -record["tolerance"] for low, high in ends)
    beyond = beyond and (filled is None or filled["low"].value > record["tolerance"])
    levelled = direction == "shrank" and _levelled_down(changed, alpha)
    return facts | {"direction": direction, "beyond_tolerance": beyond, "levelled_down": levelled}


def _levelled_down(changed: Changed, alpha: float) -> bool:
    better, before = changed.record["better"], changed.facts["gap"]["before"]
    if better == "neither":
        return False
    best, worst = (before["highest"], before["lowest"]) if better == "high" else (before["lowest"], before["highest"])
    rows = {tuple(row["before"]["group"]): row for row in changed.facts["by_group"]}
    sign = 1 if better == "high" else -1

    def moved(name: list[str]) -> int:
        row = rows[tuple(name)]
        return 0 if row["p_adjusted"].value > alpha else int(np.sign(row["difference"] or 0))

    return moved(best) * sign < 0 and moved(worst) * sign <= 0


# ---- a file --------------------------------------------------------------------------------------------------------------------------


def verify_comparisons(
    comparisons: Sequence[Mapping[str, Any]], everyone: Sequence[str], path: Path, lookup: Lookup, run: ComparisonRun, ledger: Ledger
) -> bool:
    """Recompute comparisons between some of the sides `everyone`, p adjusted over all; return whether `lookup` knows all sides."""
    every: list[list[Changed]] = []
    for at, comparison in enumerate(comparisons):
        sides = {name: lookup(name, comparison["probe"]) for name in everyone}
        known = {name: side for name, side in sides.items() if side is not None}
        if len(known) < len(sides):
            return False
        every.append(_of_comparison(comparison, known, (*path, at), run, ledger))
    flat = [changed for changes in every for changed in changes if changed.record["primary"] and changed.p is not None]
    values = dict(zip(map(id, flat), formulas.holm(np.array([changed.p for changed in flat], float)).tolist(), strict=True))
    _adjust_wholes(every)
    for at, (comparison, changes) in enumerate(zip(comparisons, every, strict=True)):
        verdicts, directions = [], set()
        for changed in changes:
            facts = changed.facts | _decided(run, changed, values.get(id(changed)), comparison)
            ledger.compare(changed.path, changed.record, facts)
            if changed.record["primary"]:
                verdicts.append(facts["verdict"])
                directions |= {facts["direction"]} - {None}
        mixed = {"grew", "shrank"} <= directions
        direction = "reversed" if "reversed" in directions else "mixed" if mixed else next(iter(directions), None)
        ledger.compare((*path, at), comparison, {"verdict": of_audit(verdicts), "direction": direction})
    return True


def _adjust_wholes(every: Sequence[Sequence[Changed]]) -> None:
    """Adjust the p over all images of each measurement's accuracy or, where that is not compared, of each of its planned rates."""
    chosen: dict[tuple[int, str, str, str | None], Drawn] = {}
    for at, changes in enumerate(every):
        planned = {changed.record["measurement"] for changed in changes if changed.record["primary"]}
        right = {changed.record["measurement"] for changed in changes if changed.record["metric"] == "accuracy"}
        for changed in changes:
            record = changed.record
            wanted = record["metric"] == "accuracy" if record["measurement"] in right else record["primary"]
            if wanted and record["measurement"] in planned:
                chosen[at, record["measurement"], record["metric"], record["outcome"]] = changed.facts["overall"]["p"]
    values = formulas.holm(np.array([p.value for p in chosen.values()], float)).tolist()
    adjusted = {key: Drawn(value, p.error * len(chosen)) for (key, p), value in zip(chosen.items(), values, strict=True)}
    for at, changes in enumerate(every):
        for changed in changes:
            key = (at, changed.record["measurement"], changed.record["metric"], changed.record["outcome"])
            changed.facts["overall"]["p_adjusted"] = adjusted.get(key, changed.facts["overall"]["p"])


def _of_comparison(
    comparison: Mapping[str, Any], sides: Mapping[str, Side], path: Path, run: ComparisonRun, ledger: Ledger
) -> list[Changed]:
    audit, first = sides[comparison["before"]]
    second = sides[comparison["after"]][1]
    claims = max(sum(finding["primary"] for finding in audit["findings"]), 1) * (len(sides) - 1)
    changes = []
    every = [{str(name) for m in side["measurements"] for name in answers(m["name"]).columns["id"]} for side, answers in sides.values()]
    ledger.compare((*path, "images"), comparison["images"], len(set.intersection(*every)))
    for at, record in enumerate(comparison["changes"]):
        name = record["measurement"]
        shared = set.intersection(*(set(answers(name).columns["id"].tolist()) for _, answers in sides.values()))
        joint = _joint(audit, record, _on(first(name), shared), _on(second(name), shared))
        lacking = _lacking(audit, record, _on(first(name), shared), _on(second(name), shared))
        changes.append(_changed(run, record, joint, lacking, claims, (*path, "changes", at), ledger))
    return changes


def _on(answers: Answers, shared: set[str]) -> Answers:
    """The answers about shared images, by identifier."""
    ids = answers.columns["id"].astype(str)
    order = np.argsort(ids, kind="stable")
    return answers.take(order[np.isin(ids[order], list(shared))])


def _joint(audit: Mapping[str, Any], record: Mapping[str, Any], before: Answers, after: Answers) -> Joint:
    measurement = next(m for m in audit["measurements"] if m["name"] == record["measurement"])
    outcome = None if record["outcome"] is None else measurement["outcomes"][record["outcome"]]
    names = [tuple(row["before"]["group"]) for row in record["by_group"]]
    group = numbered(before, record["attributes"], names)
    counts, event = counted(before, record["metric"], outcome)
    cluster = before.cluster if before.cluster is not None else after.cluster
    if METRICS[record["metric"]][0] in ("selected", "answered") or (group < 0).any():
        raise ValueError(f"{record['id']} cannot be compared image by image")
    return Joint(group, event, counted(after, record["metric"], outcome)[1], counts, cluster, len(names))
