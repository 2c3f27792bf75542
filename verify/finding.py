"""One question of an audit, recomputed from the answers: rates, gap, contrasts and the p of its own test, without a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from verify import formulas
from verify.answers import METRICS, UNKNOWN, Answers, column_of, commonest, counted, numbered, split
from verify.clusters import Galleries, Sets, alike_inside, units_of_rows, weights_to_equal_truth
from verify.images import FEWER_DRAWS, EqualTruth, Images, Null, Units, equal_truth, leading, stream, tied
from verify.ledger import CLOSE, ERRORS, Drawn, drawn
from verify.missing_truth import depends_on, outside

RARE, NEGLIGIBLE = 0.1, 5
OF_COMPOSITION = 1999
"""Shuffles for a gap at equal shares of true answers."""


@dataclass(frozen=True)
class Run:
    """What all findings of an audit share."""

    settings: Mapping[str, Any]
    audit: Mapping[str, Any]
    same_numpy: bool
    """Whether this NumPy gives the random numbers of the recorded version."""

    @property
    def alpha(self) -> float:
        return float(self.settings["alpha"])


@dataclass(frozen=True)
class Counts:
    """Events and images that count, by group."""

    k: np.ndarray
    n: np.ndarray
    units: Units


def _share(units: Units) -> float:
    """The rate of all groups together."""
    return float(units.events.sum() / units.n.sum())


def effective(rates: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Numbers of independent images with the same information."""
    return np.array([min(rate["n"] / max(rate["design_effect"] or 1.0, 1.0), rate["effective_n"] or np.inf) for rate in rates])


def statuses(groups: Sequence[Sequence[str]], images: np.ndarray, n: np.ndarray, units: Units, fewest: int) -> list[str]:
    """Whether each group can be compared: `n` of its images count."""
    large = [row.get("effective_n", np.inf) >= fewest - 1e-9 for row in units.described()]
    ok = units.enough() & (n >= max(fewest, 2)) & np.array(large)
    unknown = [UNKNOWN in group for group in groups]
    return [str(status) for status in np.select([unknown, images == 0, n == 0, ok], ["unknown", "absent", "not estimable", "ok"], "small")]


def rated(
    groups: Sequence[Sequence[str]], k: np.ndarray, n: np.ndarray, units: Units, status: Sequence[str], alpha: float
) -> list[dict[str, Any]]:  # fmt: skip
    """The rate of each group, with its limits, and how its images depend on each other."""
    (low, high), described = units.intervals(alpha), units.described()
    independent = dict.fromkeys(
        ("clusters", "effective_clusters", "design_effect", "intracluster_correlation", "effective_n", "standard_error")
    )
    rows: list[dict[str, Any]] = []
    for at, group in enumerate(groups):
        row = {"group": list(group), "n": int(n[at]), "events": int(k[at]) if n[at] else 0, "status": status[at]}
        for name, value in (("value", units.rates[at]), ("low", low[at]), ("high", high[at])):
            row[name] = float(value) if n[at] else None
        rows.append({**row, **independent, "correlation_borrowed": False, **(described[at] if n[at] else {})})
    return rows


class Question:
    """A finding of the file with the answers that it is about: one row per image, or per value of an attribute with several."""

    def __init__(self, run: Run, record: Mapping[str, Any], answers: Answers):
        self.run, self.record = run, record
        several = [name for name in record["attributes"] if name in run.audit["data"]["several"]]
        self.answers = split(answers, several) if several else answers
        self.divided = len(self.answers.y_pred) > len(answers.y_pred)
        """Whether some image has several values: then it counts once in the rate of all."""
        self.metric, self.alpha = record["metric"], run.alpha
        self.measurement = next(m for m in run.audit["measurements"] if m["name"] == record["measurement"])
        self.outcome = None if record["outcome"] is None else tuple(self.measurement["outcomes"][record["outcome"]])
        self.truths = set() if answers.y_true is None else set(answers.y_true) - {UNKNOWN}
        self.fewest, self.draws = int(run.settings["min_group_size"]), int(run.settings["draws"])
        # By row: its group, whether it counts and is an event, whether its true answer is missing, its weight, whether it has the outcome.
        self.groups = self._groups()
        self.group = numbered(self.answers, record["attributes"], self.groups)
        self.counts, self.event = counted(self.answers, self.metric, self.outcome)
        self.truth = np.full(len(self.group), "", object) if self.answers.y_true is None else self.answers.y_true
        self.lacking = self.truth == UNKNOWN
        self.weight = np.ones(len(self.group)) if self.answers.weight is None else self.answers.weight
        self.true, self.given = (np.isin(texts.astype(str), list(self.outcome or ())) for texts in (self.truth, self.answers.y_pred))

    def _groups(self) -> tuple[tuple[str, ...], ...]:
        """The groups in the order of the file, then groups of images that the file leaves out."""
        recorded = [tuple(rate["group"]) for rate in self.record["by_group"]]
        columns = [self.answers.columns[column_of(name)] for name in self.record["attributes"]]
        present = set(zip(*(column.tolist() for column in columns), strict=True))
        levels = [sorted({group[at] for group in recorded if UNKNOWN not in group}) for at in range(len(columns))]
        return (*recorded, *sorted({*present, *product(*levels)} - set(recorded)))

    def images(self, rows: np.ndarray | None = None) -> np.ndarray:
        """Number of images of each group, or of those among these rows."""
        return np.bincount(self.group if rows is None else self.group[rows], minlength=len(self.groups))

    def weights(self, rows: np.ndarray) -> np.ndarray:
        """Sum of the weights of these rows in each group."""
        return np.bincount(self.group[rows], self.weight[rows], len(self.groups))

    def stream(self, test: str = "") -> np.random.Generator:
        """The random numbers of a test."""
        return stream(int(self.run.settings["seed"]), f"{self.name()}{test}")

    @property
    def at_equal_truth(self) -> bool:
        """Whether it is a selection rate whose outcome is true for some images and not for others."""
        chosen = set(self.outcome or ())
        return self.metric == "selection_rate" and bool(chosen & self.truths) and bool(self.truths - chosen)

    @property
    def independent(self) -> bool:
        """Whether every image counts once and for itself."""
        return self.answers.cluster is None and self.answers.weight is None and self.sets is None

    @property
    def sets(self) -> np.ndarray | None:
        """The counterfactual set, or the gallery, of each image, if the attribute is the only one that differs in sets."""
        if len(self.record["attributes"]) != 1 or self.answers.cluster is not None or self.answers.weight is not None:
            return None
        [attribute] = self.record["attributes"]
        named = [
            claim["cluster_attribute"] for claim in self.run.audit["paired"]
            if claim["measurement"] == self.record["measurement"] and claim["attribute"] == attribute
        ]  # fmt: skip
        named = named or [gallery for gallery in [self.measurement.get("gallery")] if gallery is not None]
        columns = [column_of(name) for name in named if column_of(name) in self.answers.columns]
        return np.unique(self.answers.columns[columns[-1]].astype(str), return_inverse=True)[1] if columns else None

    def name(self) -> str:
        """The id that the question should have: it names the stream of random numbers."""
        outcome = f"[{self.record['outcome']}]" if self.record["outcome"] else ""
        return f"{self.record['measurement']}/{self.metric}{outcome}/{' x '.join(self.record['attributes'])}"

    # ---- counts ----------------------------------------------------------------------------------------------------------------------

    def counted(self) -> Counts:
        """Events and images of each group, and their sampling units."""
        if self.at_equal_truth:
            return self._at_equal_truth()
        k, n = self.images(self.event), self.images(self.counts)
        if self.independent:
            return Counts(k, n, Images(k, n))
        units = self._units(self.counts, self.answers.weight, self.sets)
        if isinstance(units, Sets) and self.metric == "retrieval_rate":
            units = Galleries(units.table, by_design=True)
        return Counts(k, n, units)

    def _units(self, rows: np.ndarray, weight: np.ndarray | None, sets: np.ndarray | None, *, inside: bool = True) -> Units:
        """The sampling units of some rows, of which `weight` and `sets` have all."""
        owner, weight, sets = (None if part is None else part[rows] for part in (self.answers.cluster, weight, sets))
        return units_of_rows(owner, sets, weight, self.group[rows], self.event[rows], len(self.groups), inside=inside)

    def _at_equal_truth(self) -> Counts:
        known = ~self.lacking
        truths, k, n, weights = equal_truth(self.truth[known], self.group[known], self.event[known], len(self.groups), self.fewest)
        units: Units = EqualTruth(k, n, weights)
        if not self.independent:
            units = self.dependent_at_equal_truth(truths, n.sum(axis=0) > 0)
        return Counts(k.sum(axis=0), n.sum(axis=0), units)

    def dependent_at_equal_truth(self, truths: Sequence[str], compared: np.ndarray) -> Units:
        """Rows in clusters, in sets or with weights at equal true shares: by weights, which cannot equalise the mix inside a cluster."""
        rows = np.flatnonzero(np.isin(self.truth.astype(str), list(truths)) & compared[self.group])
        truth, group, weight = self.truth[rows], self.group[rows], self.weight[rows]
        factor = np.ones(len(self.group))
        factor[rows] = weights_to_equal_truth(truth, group, weight, len(self.groups))
        together = self.sets if self.answers.cluster is None else self.answers.cluster
        inside = together is None or alike_inside(together[rows], group, truth, weight)
        if self.answers.weight is None and np.allclose(factor, 1.0):
            return self._units(rows, None, self.sets, inside=inside)
        return self._units(rows, self.weight * factor, None, inside=inside)

    # ---- rates -----------------------------------------------------------------------------------------------------------------------

    def rates(self, counts: Counts) -> list[dict[str, Any]]:
        """The rate of each group, then that of all images."""
        status = statuses(self.groups, self.images(), counts.n, counts.units, self.fewest)
        rows = rated(self.groups, counts.k, counts.n, counts.units, status, self.alpha)
        k, n = counts.k.sum(keepdims=True), counts.n.sum(keepdims=True)
        rows += rated([()], k, n, counts.units.together(), ["ok" if n[0] else "not estimable"], self.alpha)
        baseline, plain = self._baseline(), self._plain()
        for at, row in enumerate(rows):
            row["baseline"] = baseline[at] if baseline and row["n"] else None
            row["plain"] = plain[at] if row["n"] else None
        return rows

    def _plain(self) -> list[float | None]:
        """The share of images with the outcome in each group, then in all, where rates are compared at equal true shares."""
        if not self.at_equal_truth:
            return [None] * (len(self.groups) + 1)
        given, total = (self.weights(~self.lacking & part) for part in (self.given, np.ones(len(self.group), bool)))
        given, total = np.append(given, given.sum()), np.append(total, total.sum())
        return [float(share) for share in given / np.where(total > 0, total, 1.0)]

    def _baseline(self) -> list[float] | None:
        """The accuracy of the best constant answer in each group, and over all images."""
        one_role = self.measurement["row_texts"] is not None and len(self.truths) < 2
        if self.metric != "accuracy" or one_role or self.answers.y_true is None:
            return None
        known = ~self.lacking
        most, _ = commonest(self.truth[known], self.measurement, self.weight[known])
        would = self.true if self.outcome is not None else self.truth == most
        if self.outcome is not None and self.weight[known & would].sum() < self.weight[known & ~would].sum():
            would = ~would
        right, of_all = self.weights(known & would), self.weights(known)
        right, of_all = np.append(right, right.sum()), np.append(of_all, of_all.sum())
        return [float(share) for share in right / np.where(of_all > 0, of_all, 1.0)]

    # ---- everything ------------------------------------------------------------------------------------------------------------------

    def recomputed(self) -> tuple[dict[str, Any], Units | None, Null | None]:
        """The fields of the finding that do not depend on other findings; the compared groups and their test, if there is one."""
        counts = self.counted()
        *by_group, overall = self.rates(counts)
        facts: dict[str, Any] = {"id": self.name(), "by_group": by_group}
        facts |= {} if self.divided else {"overall": overall}
        facts["shares"] = self._shares() if self.at_equal_truth else []
        left_out = Outside(self, counts.units, by_group)
        facts["uncovered"] = left_out.uncovered()
        compared = np.array([at for at, rate in enumerate(by_group) if rate["status"] == "ok"], np.int64)
        if len(compared) < 2:
            absent = dict.fromkeys(("gap", "ratio_tolerance", "negligible"))
            return facts | absent | {"contrasts": [], "pairs": [], "ratio_of_rest": False}, None, None
        units = counts.units.of(compared)
        names = [list(self.groups[at]) for at in compared]
        tolerances, rare = self._tolerances([by_group[at] for at in compared], units)
        facts |= tolerances
        null = units.test(self.draws, self.stream())
        facts["gap"] = self._gap(names, units, null, None if facts["ratio_tolerance"] is None else rare)
        facts["contrasts"] = self._against_the_rest(names, units)
        facts["uncovered"] += left_out.truth_by_answer(facts["gap"])
        return facts, units, null

    def _shares(self) -> list[dict[str, Any]]:
        """How often the outcome is given, and how often it is true, in each group."""
        known, given, true = ~self.lacking, self.given, self.true
        images, total = self.images(known), self.weights(known)
        sums = [self.weights(known & part) for part in (given, true, given & ~true, true & ~given)]
        rows = []
        for at, name in enumerate(self.groups):
            n = int(images[at])
            row: dict[str, Any] = dict.fromkeys(("given", "true", "excess", "low", "high"))
            if n:
                shares = [float(part[at] / total[at]) for part in sums]
                row |= {"given": shares[0], "true": shares[1], "excess": shares[2] - shares[3]}
                if self.independent:
                    row["low"], row["high"] = formulas.agresti_min(float(sums[2][at]), float(sums[3][at]), n, self.alpha)
            rows.append({"group": list(name), "n": n, **row})
        return rows

    def _tolerances(self, rates: Sequence[Mapping[str, Any]], units: Units) -> tuple[dict[str, Any], Units]:
        """The tolerance in ratio and the bound for negligible error rates, and the units whose ratio, or whose errors, that are.

        These are errors, or an answer: the rarer of giving it and not giving it. A ratio of the claim's own is taken from
        the file.
        """
        out_of, _, better, _ = METRICS[self.metric]
        is_error = out_of in ("positive", "negative") or self.metric == "accuracy"
        is_answer = better == "neither" and self.metric != "retrieval_rate"
        turned = units.without()
        of_rest = better == "high" if is_error else is_answer and _share(turned) < RARE
        rare = turned if of_rest else units
        limit = None
        if is_error:
            n = effective(rates)
            wrong = np.array([1 - r["value"] if of_rest else r["value"] for r in rates])
            upper = formulas.upper_limit(wrong * n, n, self.alpha)
            limit = self.record["tolerance"] / NEGLIGIBLE if (upper < self.record["tolerance"] / NEGLIGIBLE).all() else None
        asked = (is_error or is_answer) and limit is None and _share(rare) < RARE
        general = self.run.settings["ratio_tolerance"] if asked else None
        recorded = self.record["ratio_tolerance"]
        if recorded is not None and recorded != general:  # the claim's own: an input
            general, limit = recorded, None
        told = of_rest and not (general is None and limit is None)
        return {"ratio_tolerance": general, "negligible": limit, "ratio_of_rest": told}, rare

    def _gap(self, names: list[list[str]], units: Units, null: Null, rare: Units | None) -> dict[str, Any]:
        alpha, (i, j) = self.alpha, units.pairs()
        low, high = units.differences(i, j, alpha / len(i))
        contrasts, rates = units.contrasts(i, j), units.rates
        top, bottom = self._ends(names, units)
        variance = units.variance()
        facts: dict[str, Any] = {
            "highest": names[top], "lowest": names[bottom], "value": float(np.abs(contrasts).max()),
            "low": max(0.0, float(np.maximum(low, -high).max())), "high": float(np.maximum(high, -low).max()),
            "ratio": float(rates[bottom] / rates[top]) if rates[top] > 0 else None,
            "spread": max(variance, 0.0) ** 0.5, "spread_squared": variance, "equivalence_bound": units.bound(alpha),
            "most_significant": self._most_significant(names, null), "within": units.within(),
        }  # fmt: skip
        if rare is not None:
            most = rare.ratio_bound(alpha)
            with np.errstate(divide="ignore"):
                ends = rare.ratios(i, j, alpha / len(i))
                facts["ratio_low"] = float(max(1.0, ends[0].max(), (1 / ends[1]).max()))
            facts["equivalence_ratio"] = most if np.isfinite(most) else None
        else:
            facts |= {"ratio_low": None, "equivalence_ratio": None}
        return facts | self.of_test(null) | self._told(names, units, null)

    def _most_significant(self, names: list[list[str]], null: Null) -> list[list[str]]:
        """The most significant pair; of equals, which differ by rounding only, the recorded one if it is among them."""
        equal = [[names[one], names[two]] for one, two in null.pairs]
        recorded = (self.record["gap"] or {}).get("most_significant")
        return recorded if recorded in equal else equal[0]

    def _ends(self, names: list[list[str]], units: Units) -> tuple[int, int]:
        """The highest and the lowest group, of equals the first and the last; within clusters the pair that differs most.

        Rates that are not ratios of two counts may be equal but for rounding: then the recorded group counts if it is among them.
        """
        if units.within_clusters:
            i, j = units.pairs()
            apart = units.contrasts(i, j)
            at = leading(np.abs(apart))
            return (int(i[at]), int(j[at])) if apart[at] >= tied(0.0) else (int(j[at]), int(i[at]))
        top, bottom = leading(units.rates), len(units.rates) - 1 - leading(-units.rates[::-1])
        if isinstance(units, Images):
            return top, bottom
        recorded = self.record["gap"] or {}
        same = []
        for end, ours in (("highest", top), ("lowest", bottom)):
            equal = [at for at in range(len(names)) if abs(units.rates[at] - units.rates[ours]) < CLOSE]
            same.append(next((at for at in equal if names[at] == recorded.get(end)), ours))
        return same[0], same[1]

    # ---- draws -----------------------------------------------------------------------------------------------------------------------

    def drawn_p(self, p: float, null: Null) -> Drawn:
        """A p from draws, with the standard error of the difference between two runs."""
        draws = self.draws
        repeated = len(null.largest) == 1 or (null.repeated and self.run.same_numpy)
        return drawn(p, draws, min(draws, len(null.largest)), repeated=repeated)

    def _two_runs(self, null: Null) -> float:
        """The standard error of the difference of two runs' means, in standard deviations; 0 if the stream was repeated."""
        if len(null.largest) == 1 or (null.repeated and self.run.same_numpy):
            return 0.0
        return float((1 / len(null.largest) + 1 / min(self.draws, FEWER_DRAWS)) ** 0.5)

    def _upper(self, sample: np.ndarray, null: Null) -> tuple[float, float, float]:
        """The 95 % point of drawn values, and the points five standard errors below and above."""
        wide = ERRORS * (0.95 * 0.05) ** 0.5 * self._two_runs(null)
        low, middle, high = np.quantile(sample, [max(0.95 - wide, 0.0), 0.95, min(0.95 + wide, 1.0)])
        return float(middle), float(low), float(high)

    @staticmethod
    def _between(value: float, low: float, high: float) -> Drawn:
        """A drawn value whose limits at five standard errors are known: the farther one counts."""
        return Drawn(value, max(value - low, high - value) / ERRORS)

    def of_test(self, null: Null) -> dict[str, Any]:
        """The fields of the gap that come from its test."""
        chi2_p = None if null.chi2_p is None else self.drawn_p(null.chi2_p, null)
        return {
            "p": self.drawn_p(null.p, null), "pair_p": self.drawn_p(null.pair_p, null), "chi2": null.chi2, "chi2_p": chi2_p,
            "null_mean": Drawn(float(null.gaps.mean()), float(null.gaps.std()) * self._two_runs(null)),
            "null_95": self._between(*self._upper(null.gaps, null)),
        }  # fmt: skip

    # ---- pairs -----------------------------------------------------------------------------------------------------------------------

    def _oriented(self, units: Units) -> tuple[np.ndarray, ...]:
        """All pairs, the higher group first: positions, difference, simultaneous limits."""
        i, j = units.pairs()
        apart, (low, high) = units.contrasts(i, j), units.differences(i, j, self.alpha / len(i))
        turn = np.where(tied(np.abs(apart)) <= 0, tied(-low) > high, apart < 0)
        return np.where(turn, j, i), np.where(turn, i, j), np.abs(apart), np.where(turn, -high, low), np.where(turn, -low, high)

    def _told(self, names: list[list[str]], units: Units, null: Null) -> dict[str, Any]:
        """The pair that is shown to differ, and the one that may differ most.

        The first has the largest lower end of those whose interval excludes 0 beyond what chance gives; None if there is none. The second
        reaches farthest from 0. Of equals, which differ by rounding only, the recorded pair counts if it is among them.
        """
        one, two, apart, low, high = self._oriented(units)
        ends = self._upper(null.largest, null)

        def told(reach: np.ndarray, name: str) -> dict[str, Any]:
            equal = np.flatnonzero(reach >= reach.max() - CLOSE).tolist()
            recorded = (self.record["gap"] or {}).get(name) or {}
            same = [at for at in equal if [names[one[at]], names[two[at]]] == [recorded.get("higher"), recorded.get("lower")]]
            at = (same or equal)[0]
            facts = {"difference": float(apart[at]), "low": float(low[at]), "high": float(high[at])}
            chance = self._between(*(float(null.chance(end)[one[at], two[at]]) for end in ends))
            return {"higher": names[one[at]], "lower": names[two[at]], **facts, "chance": chance}

        beyond = (low > 0) & (apart > null.chance(float(np.quantile(null.largest, 0.95)))[one, two])
        shown = told(np.where(beyond, low, -np.inf), "leading") if beyond.any() else None
        return {"significant": shown, "open_pair": told(np.maximum(high, -low), "open_pair")}

    def _against_the_rest(self, names: list[list[str]], units: Units) -> list[dict[str, Any]]:
        groups = len(names)
        both = units.with_rest()
        first = np.arange(groups)
        return self.contrasts([(name, []) for name in names], both, first, first + groups, groups if groups > 2 else 1)

    def every_pair(self, names: Sequence[list[str]], units: Units) -> list[dict[str, Any]]:
        """Every two of the compared groups."""
        i, j = units.pairs()
        return self.contrasts([(names[a], names[b]) for a, b in zip(i, j, strict=True)], units, i, j, len(i))

    def contrasts(
        self, names: Sequence[tuple[list[str], list[str]]], units: Units, first: np.ndarray, second: np.ndarray, comparisons: int
    ) -> list[dict[str, Any]]:
        """Single comparisons with their own and simultaneous limits, and p adjusted over them."""
        alpha, tolerance, p = self.alpha, self.record["tolerance"], units.p(first, second)
        low, high = units.differences(first, second, alpha)
        lower, upper = units.differences(first, second, alpha / comparisons)
        columns = {
            "difference": units.contrasts(first, second), "low": low, "high": high, "p": p,
            "p_adjusted": formulas.holm(p) if comparisons > 1 else p, "low_adjusted": lower, "high_adjusted": upper,
            "beyond_tolerance": (lower > tolerance) | (upper < -tolerance),
        }  # fmt: skip
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        return [{"first": one, "second": two, **dict(zip(columns, row, strict=True))} for (one, two), row in zip(names, rows, strict=True)]


# ---- outside the gap ------------------------------------------------------------------------------------------------------------------


class Outside:
    """The images that the gap of a question leaves out."""

    def __init__(self, question: Question, units: Units, by_group: Sequence[Mapping[str, Any]]):
        self.question, self.units, self.by_group, self.alpha = question, units, by_group, question.alpha
        self.compared = np.array([at for at, rate in enumerate(by_group) if rate["status"] == "ok"], np.int64)
        out_of, _, _, needs_truth = METRICS[question.metric]
        self.by_truth = question.answers.y_true is not None and (needs_truth or question.at_equal_truth)
        self.biased = self.by_truth and out_of != "selected" and bool(question.lacking.any())
        """Whether missing true answers may bias the rate: not one among images with one answer."""

    def uncovered(self) -> list[dict[str, Any]]:
        """The images that the gap leaves out: pooled groups against all compared ones, and those without a true answer."""
        if len(self.compared) < 2:
            return []
        rest = [at for at, rate in enumerate(self.by_group) if rate["n"] and rate["status"] not in ("ok", "absent")]
        unknown = [at for at in rest if self.by_group[at]["status"] == "unknown"]
        parts = [("not compared", rest, self.question.record["better"])] if len(rest) > len(unknown) else []
        parts += [("unknown group", unknown, "neither")] if unknown else []
        base, found = self._together(self.compared), []
        for code, groups, better in parts:
            rate = self._together(np.array(groups))
            one, other = ((np.array(own[0]), (np.array(own[1]), np.array(own[2]))) for own in (rate, base))
            low, high = (float(end) for end in formulas.joined(*one, *other))
            n, events = (sum(self.by_group[at][name] for at in groups) for name in ("n", "events"))
            shown = (high < 0 and better != "low") or (low > 0 and better != "high")
            found.append(outside(code, n, events, rate, (rate[0] - base[0], low, high), shown=shown))
        return found + self._without_truth()

    def _together(self, groups: np.ndarray) -> tuple[float, float, float]:
        """The rate of some groups together, with its limits."""
        units = self.units.of(groups).together()
        low, high = units.intervals(self.alpha)
        return _share(units), float(low[0]), float(high[0])

    def _tally(self, rows: np.ndarray | None = None) -> np.ndarray:
        """Images of the compared groups."""
        return np.asarray(self.question.images(rows)[self.compared])

    def _without_truth(self) -> list[dict[str, Any]]:
        """Where compared groups lack true answers: the group with the largest share of such images against that with the smallest."""
        k, n = self._tally(self.question.lacking), self._tally()
        if not self.by_truth or not k.any():
            return []
        shares = k / n
        most, least = leading(shares), leading(-shares)
        pairs = len(k) * (len(k) - 1) // 2
        low, high = (float(end) for end in formulas.newcombe(k[most], n[most], k[least], n[least], self.alpha / pairs))
        own = (float(shares[most]), *(float(end) for end in formulas.wilson(k[most], n[most], self.alpha)))
        apart = (own[0] - float(shares[least]), low, high)
        names = tuple(self.question.groups[self.compared[at]] for at in (most, least))
        return [outside("no true answer", int(k.sum()), int(k[most]), own, apart, shown=low > 0, names=names)]

    def truth_by_answer(self, gap: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Where a true answer is missing more, or less, often with one answer of a group than with its others."""
        question, given = self.question, self.question.answers.y_pred.astype(str)
        if not self.biased:
            return []
        names = sorted(set(given.tolist()))
        named = {name: given == name for name in (names[:1] if len(names) == 2 else names)}
        if question.outcome is not None:
            named = {question.record["outcome"]: question.given}
        groups = [question.groups[of] for of in self.compared]
        found = depends_on(question.lacking, named, question.group, groups, self.compared, self.alpha)
        return [] if found is None else [found | {"filled": self._filled(gap)}]

    def _filled(self, gap: Mapping[str, Any]) -> dict[str, Any]:
        """The ends of a difference if every missing true answer is the one that makes it least, or most."""
        least, most = self._extremes()
        rates = [self.by_group[at] for at in self.compared]
        n = effective(rates)
        names, pair = [rate["group"] for rate in rates], gap["significant"] or gap["open_pair"]
        one, other = names.index(pair["higher"]), names.index(pair["lower"])
        alpha, (i, j) = self.alpha / (len(n) * (len(n) - 1) // 2), np.nonzero(~np.eye(len(n), dtype=bool))
        reach = float(formulas.newcombe(most[i] * n[i], n[i], least[j] * n[j], n[j], alpha)[1].max())
        low = float(formulas.newcombe(least[one] * n[one], n[one], most[other] * n[other], n[other], alpha)[0])
        ends = {"least": float(least[one] - most[other]), "most": float(most[one] - least[other]), "low": low, "reach": reach}
        return {"higher": pair["higher"], "lower": pair["lower"], **ends}

    def _extremes(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and the largest rate of each compared group over all ways to fill the missing true answers."""
        question, lacking = self.question, self.question.lacking

        def total(rows: np.ndarray) -> np.ndarray:
            return np.asarray(question.weights(rows)[self.compared])

        kind = METRICS[question.metric][1]
        would = question.given if kind == "selected" else ~question.given
        up, down = (total(lacking), total(lacking)) if kind == "correct" else (total(lacking & would), total(lacking & ~would))
        if not question.at_equal_truth:
            k, n = total(question.event), total(question.counts)
            return k / (n + down), (k + up) / (n + up)
        truths = [question.truth == name for name in sorted(question.truths)]
        k, n = (np.array([total(truth & part) for truth in truths]) for part in (question.given, ~lacking))
        k, n = k[(n > 0).all(axis=1)], n[(n > 0).all(axis=1)]
        share = n.sum(axis=1) / n.sum()
        return share @ (k / (n + down)), share @ ((k + up) / (n + up))
