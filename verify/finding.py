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
    """A question's answers by group."""

    groups: tuple[tuple[str, ...], ...]
    images: np.ndarray
    """Images of each group, whether they count or not."""
    k: np.ndarray
    n: np.ndarray
    weights: tuple[np.ndarray, np.ndarray] | None
    """Sums of weights of events and of counted images."""
    units: Units


def _outside(
    code: str, n: int, events: int, rate: tuple[float, ...], apart: tuple[float, float, float], *, shown: bool,
    names: tuple[Sequence[str], ...] = ((), ()),
) -> dict[str, Any]:  # fmt: skip
    """Images outside the gap, as the file has them."""
    ends = dict(zip(("value", "low", "high"), rate, strict=True)) | dict(
        zip(("difference", "difference_low", "difference_high"), apart, strict=True)
    )
    of = {"group": list(names[0]), "other": list(names[1]), "answer": None, "lacking": [], "filled": None}
    return {"code": code, "n": n, "events": events, **ends, "shown": bool(shown), **of}


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


class Question:
    """A finding of the file with the answers that it is about."""

    def __init__(self, run: Run, record: Mapping[str, Any], answers: Answers):
        self.run, self.record = run, record
        several = [name for name in record["attributes"] if name in run.audit["data"]["several"]]
        self.answers = split(answers, several) if several else answers
        self.whole = answers
        """Every image once."""
        self.metric = record["metric"]
        self.measurement = next(m for m in run.audit["measurements"] if m["name"] == record["measurement"])
        self.outcome = None if record["outcome"] is None else tuple(self.measurement["outcomes"][record["outcome"]])
        self.truths = set() if answers.y_true is None else set(answers.y_true) - {UNKNOWN}

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

    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The groups in the order of the file, then groups of images that the file leaves out."""
        recorded = [tuple(rate["group"]) for rate in self.record["by_group"]]
        columns = [self.answers.columns[name] for name in self._columns()]
        present = set(zip(*(column.tolist() for column in columns), strict=True))
        levels = [sorted({group[at] for group in recorded if UNKNOWN not in group}) for at in range(len(columns))]
        combined = {*present, *product(*levels)}
        return (*recorded, *sorted(combined - set(recorded)))

    def _columns(self) -> list[str]:
        return [column_of(name) for name in self.record["attributes"]]

    def counts(self) -> Counts:
        """Events and images of each group, and their sampling units."""
        groups, answers = self.groups(), self.answers
        group = numbered(answers, self.record["attributes"], groups)
        counts, event = counted(answers, self.metric, self.outcome)
        images = np.bincount(group, minlength=len(groups))
        if self.at_equal_truth:
            return self._at_equal_truth(groups, group, event, images)
        n, k = (np.bincount(group[which], minlength=len(groups)) for which in (counts, event))
        weights = None
        if answers.weight is not None:
            w = answers.weight
            weights = (np.bincount(group[event], w[event], len(groups)), np.bincount(group[counts], w[counts], len(groups)))
        return Counts(groups, images, k, n, weights, self._units(group, counts, event, len(groups), k, n))

    def _units(self, group: np.ndarray, counts: np.ndarray, event: np.ndarray, groups: int, k: np.ndarray, n: np.ndarray) -> Units:
        if self.independent:
            return Images(k, n)
        answers, sets = self.answers, self.sets
        owner = None if answers.cluster is None else answers.cluster[counts]
        weight = None if answers.weight is None else answers.weight[counts]
        units = units_of_rows(owner, None if sets is None else sets[counts], weight, group[counts], event[counts], groups)
        return Galleries(units.table, by_design=True) if isinstance(units, Sets) and self.metric == "retrieval_rate" else units

    def _at_equal_truth(self, groups: tuple[tuple[str, ...], ...], group: np.ndarray, event: np.ndarray, images: np.ndarray) -> Counts:
        assert self.answers.y_true is not None  # noqa: S101 - an outcome that is true for some images
        known = self.answers.y_true != UNKNOWN
        fewest = int(self.run.settings["min_group_size"])
        truths, k, n, weights = equal_truth(self.answers.y_true[known], group[known], event[known], len(groups), fewest)
        units: Units = EqualTruth(k, n, weights)
        if not self.independent:
            units = self.dependent_at_equal_truth(truths, n.sum(axis=0) > 0, group, event)
        return Counts(groups, images, k.sum(axis=0), n.sum(axis=0), None, units)

    def dependent_at_equal_truth(self, truths: Sequence[str], counts: np.ndarray, group: np.ndarray, event: np.ndarray) -> Units:
        """Rows in clusters, in sets or with weights at equal true shares: by weights, which cannot equalise the mix inside a cluster."""
        answers, sets = self.answers, self.sets
        assert answers.y_true is not None  # noqa: S101 - the caller has true answers
        kept = np.isin(answers.y_true.astype(str), list(truths)) & counts[group]
        truth, group, event = answers.y_true[kept], group[kept], event[kept]
        weight = np.ones(len(group)) if answers.weight is None else answers.weight[kept]
        factor = weights_to_equal_truth(truth, group, weight, len(counts))
        alike = answers.weight is None and np.allclose(factor, 1.0)
        owner = None if answers.cluster is None else answers.cluster[kept]
        sets = None if sets is None else sets[kept]
        together = owner if owner is not None else sets
        inside = together is None or alike_inside(together, group, truth, weight)
        if not alike:
            sets = None
        return units_of_rows(owner, sets, None if alike else weight * factor, group, event, len(counts), inside=inside)

    # ---- rates -----------------------------------------------------------------------------------------------------------------------

    def rates(self, counts: Counts) -> list[dict[str, Any]]:
        """The rate of each group, then that of all images."""
        together = counts.units.together()
        of_groups, of_all = counts.units.intervals(self.run.alpha), together.intervals(self.run.alpha)
        low, high = np.append(of_groups[0], of_all[0]), np.append(of_groups[1], of_all[1])
        values = np.append(self._values(counts), self._value_of_all(counts, together))
        described = [*counts.units.described(), *together.described()]
        fewest = int(self.run.settings["min_group_size"])
        status = [*statuses(counts.groups, counts.images, counts.n, counts.units, fewest), "ok" if counts.n.sum() else "not estimable"]
        baseline = self._baseline(counts)
        events, images = ([*part.tolist(), int(part.sum())] for part in (counts.k, counts.n))
        rates: list[dict[str, Any]] = []
        for at, (group, k, n) in enumerate(zip((*counts.groups, ()), events, images, strict=True)):
            rate: dict[str, Any] = {"group": list(group), "n": n, "events": k if n else 0, "status": status[at]}
            defined = {"value": values[at], "low": low[at], "high": high[at]}
            rate |= {name: float(value) if n else None for name, value in defined.items()}
            absent: dict[str, Any] = {"clusters": None, "effective_clusters": None, "design_effect": None, "intracluster_correlation": None}
            absent |= {"effective_n": None, "standard_error": None, "correlation_borrowed": False, "baseline": None}
            rate |= absent | (described[at] | {"baseline": baseline and baseline[at]} if n else {})
            rates.append(rate)
        return rates

    def _values(self, counts: Counts) -> np.ndarray:
        if counts.weights is None:
            return counts.units.rates if self.at_equal_truth else counts.k / np.maximum(counts.n, 1)
        return np.asarray(counts.weights[0] / np.where(counts.weights[1] > 0, counts.weights[1], 1.0))

    def _value_of_all(self, counts: Counts, together: Units) -> float:
        if counts.weights is not None:
            return float(counts.weights[0].sum() / (counts.weights[1].sum() or 1.0))
        return float(together.rates[0]) if self.at_equal_truth else float(counts.k.sum() / max(counts.n.sum(), 1))

    def _baseline(self, counts: Counts) -> list[float] | None:
        """The accuracy of the best constant answer in each group, and over all images."""
        one_role = self.measurement["row_texts"] is not None and len(self.truths) < 2
        if self.metric != "accuracy" or one_role or self.answers.y_true is None:
            return None
        answers, groups, y_true = self.answers, counts.groups, self.answers.y_true
        known = y_true != UNKNOWN
        group = numbered(answers, self.record["attributes"], groups)[known]
        truth, weight = y_true[known], np.ones(len(group)) if answers.weight is None else answers.weight[known]
        would = (
            np.isin(truth.astype(str), list(self.outcome))
            if self.outcome is not None
            else truth == commonest(truth, self.measurement, weight)[0]
        )
        if self.outcome is not None and weight[would].sum() < weight[~would].sum():
            would = ~would
        right, all_of = (np.bincount(group[which], weight[which], len(groups)) for which in (would, np.ones(len(would), bool)))
        right, all_of = np.append(right, right.sum()), np.append(all_of, all_of.sum())
        return [float(share) for share in right / np.where(all_of > 0, all_of, 1.0)]

    # ---- everything ------------------------------------------------------------------------------------------------------------------

    def recomputed(self) -> tuple[dict[str, Any], Units | None, Null | None]:
        """The fields of the finding that do not depend on other findings; the compared groups and their test, if there is one."""
        counts = self.counts()
        *by_group, overall = self.rates(counts)
        several = self.answers is not self.whole and len(self.answers.y_pred) > len(self.whole.y_pred)
        facts: dict[str, Any] = {"id": self.name(), "by_group": by_group}
        facts |= {} if several else {"overall": overall}
        facts["shares"] = self._shares(counts.groups) if self.at_equal_truth else []
        facts["uncovered"] = self._uncovered(counts, by_group)
        compared = np.array([at for at, rate in enumerate(by_group) if rate["status"] == "ok"], np.int64)
        if len(compared) < 2:
            absent = dict.fromkeys(("gap", "ratio_tolerance", "negligible"))
            return facts | absent | {"contrasts": [], "pairs": [], "ratio_of_rest": False}, None, None
        units = counts.units.of(compared)
        names = [list(counts.groups[at]) for at in compared]
        tolerances, rare = self._tolerances([by_group[at] for at in compared], units)
        facts |= tolerances
        null = units.test(int(self.run.settings["draws"]), stream(int(self.run.settings["seed"]), self.name()))
        facts["gap"] = self._gap(names, units, null, None if facts["ratio_tolerance"] is None else rare)
        facts["contrasts"] = self._against_the_rest(names, units)
        facts["uncovered"] += self._truth_by_answer(counts, compared, by_group, facts["gap"])
        return facts, units, null

    # ---- outside the gap -------------------------------------------------------------------------------------------------------------

    def _uncovered(self, counts: Counts, by_group: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The images that the gap leaves out: pooled groups against all compared ones, and those without a true answer."""
        found = [rate["status"] if rate["n"] else "absent" for rate in by_group]
        compared, unknown = ([at for at, status in enumerate(found) if status == wanted] for wanted in ("ok", "unknown"))
        rest = [at for at, status in enumerate(found) if status not in ("ok", "absent")]
        if len(compared) < 2:
            return []
        parts = [("not compared", rest, self.record["better"])] if len(rest) > len(unknown) else []
        parts += [("unknown group", unknown, "neither")] if unknown else []
        base, found = self._together(counts, compared), []
        for code, groups, better in parts:
            rate = self._together(counts, groups)
            one, other = ((np.array(own[0]), (np.array(own[1]), np.array(own[2]))) for own in (rate, base))
            low, high = (float(end) for end in formulas.joined(*one, *other))
            n, events = (sum(by_group[at][name] for at in groups) for name in ("n", "events"))
            shown = (high < 0 and better != "low") or (low > 0 and better != "high")
            found.append(_outside(code, n, events, rate, (rate[0] - base[0], low, high), shown=shown))
        return found + self._without_truth(counts, compared)

    def _together(self, counts: Counts, groups: Sequence[int]) -> tuple[float, float, float]:
        """The rate of some groups together, with its limits."""
        units = counts.units.of(np.array(groups, np.int64)).together()
        low, high = units.intervals(self.run.alpha)
        return _share(units), float(low[0]), float(high[0])

    def _without_truth(self, counts: Counts, compared: Sequence[int]) -> list[dict[str, Any]]:
        """Where compared groups lack true answers: the group with the largest share of such images against that with the smallest."""
        answers = self.answers
        if answers.y_true is None or not (METRICS[self.metric][3] or self.at_equal_truth):
            return []
        group = numbered(answers, self.record["attributes"], counts.groups)
        k, n = (
            np.bincount(group[which], minlength=len(counts.groups))[compared]
            for which in (answers.y_true == UNKNOWN, np.ones(len(group), bool))
        )
        if not k.any():
            return []
        shares = k / n
        most, least = leading(shares), leading(-shares)
        pairs = len(compared) * (len(compared) - 1) // 2
        low, high = (float(end) for end in formulas.newcombe(k[most], n[most], k[least], n[least], self.run.alpha / pairs))
        own = (float(shares[most]), *(float(end) for end in formulas.wilson(k[most], n[most], self.run.alpha)))
        apart = (own[0] - float(shares[least]), low, high)
        names = tuple(counts.groups[compared[at]] for at in (most, least))
        return [_outside("no true answer", int(k.sum()), int(k[most]), own, apart, shown=low > 0, names=names)]

    def _truth_by_answer(
        self, counts: Counts, compared: np.ndarray, by_group: Sequence[Mapping[str, Any]], gap: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Where a true answer is missing more, or less, often with one answer of a group than with its others."""
        answers, alpha = self.answers, self.run.alpha
        by_truth = METRICS[self.metric][3] or self.at_equal_truth
        if answers.y_true is None or not by_truth or METRICS[self.metric][0] == "selected" or not (answers.y_true == UNKNOWN).any():
            return []
        group, lacking = numbered(answers, self.record["attributes"], counts.groups), answers.y_true == UNKNOWN
        given = answers.y_pred.astype(str)
        names = sorted(set(given.tolist()))
        named = {name: given == name for name in (names[:1] if len(names) == 2 else names)}
        if self.outcome is not None:
            named = {self.record["outcome"]: np.isin(given, list(self.outcome))}

        def tallied(which: np.ndarray) -> np.ndarray:
            return np.asarray(np.bincount(group[which], minlength=len(counts.groups))[compared])

        images, without = tallied(np.ones(len(group), bool)), tallied(lacking)
        n, k = (np.array([tallied(of & part) for of in named.values()]) for part in (np.ones(len(group), bool), lacking))
        others, others_k = images - n, without - k
        both = (n > 0) & (others > 0)
        if not both.any():
            return []
        ends = formulas.newcombe(k, np.maximum(n, 1), others_k, np.maximum(others, 1), alpha / both.sum())
        distance = np.where(both, np.maximum(ends[0], -ends[1]), -1.0)
        at = np.unravel_index(leading(distance.ravel()), distance.shape)
        if distance[at] <= 0:
            return []
        share = k[at] / n[at]
        rate = (float(share), *(float(end) for end in formulas.wilson(k[at], n[at], alpha)))
        apart = (float(share - others_k[at] / others[at]), float(ends[0][at]), float(ends[1][at]))
        found = _outside("truth by answer", int(without.sum()), int(k[at]), rate, apart, shown=True)
        rows = zip(compared, n[at[0]], k[at[0]], others[at[0]], others_k[at[0]], strict=True)
        fields = ("n", "lacking", "others", "others_lacking")
        found["lacking"] = [{"group": list(counts.groups[of]), **dict(zip(fields, map(int, row), strict=True))} for of, *row in rows]
        found["group"], found["answer"] = list(counts.groups[compared[at[1]]]), list(named)[at[0]]
        found["filled"] = self._filled(group, compared, [by_group[of] for of in compared], gap)
        return [found]

    def _filled(
        self, group: np.ndarray, compared: np.ndarray, rates: Sequence[Mapping[str, Any]], gap: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The ends of a difference if every missing true answer is the one that makes it least, or most."""
        least, most = self._extremes(group, compared)
        n = effective(rates)
        names, pair = [rate["group"] for rate in rates], gap["significant"] or gap["open_pair"]
        one, other = names.index(pair["higher"]), names.index(pair["lower"])
        alpha, reach = self.run.alpha / (len(n) * (len(n) - 1) // 2), -1.0
        for i, j in product(range(len(n)), repeat=2):
            if i != j:
                reach = max(reach, float(formulas.newcombe(most[i] * n[i], n[i], least[j] * n[j], n[j], alpha)[1]))
        low = float(formulas.newcombe(least[one] * n[one], n[one], most[other] * n[other], n[other], alpha)[0])
        ends = {"least": float(least[one] - most[other]), "most": float(most[one] - least[other]), "low": low, "reach": reach}
        return {"higher": pair["higher"], "lower": pair["lower"], **ends}

    def _extremes(self, group: np.ndarray, compared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The least and the largest rate of each compared group over all ways to fill the missing true answers."""
        answers = self.answers
        assert answers.y_true is not None  # noqa: S101 - the caller has true answers
        lacking = answers.y_true == UNKNOWN
        weight = np.ones(len(group)) if answers.weight is None else answers.weight

        def total(which: np.ndarray) -> np.ndarray:
            return np.asarray(np.bincount(group[which], weight[which], int(group.max()) + 1)[compared])

        selected = np.isin(answers.y_pred.astype(str), list(self.outcome or ()))
        kind = METRICS[self.metric][1]
        would = selected if kind == "selected" else ~selected
        up, down = (total(lacking), total(lacking)) if kind == "correct" else (total(lacking & would), total(lacking & ~would))
        if not self.at_equal_truth:
            counts, event = counted(answers, self.metric, self.outcome)
            k, n = total(event), total(counts)
            return k / (n + down), (k + up) / (n + up)
        truths = [answers.y_true == name for name in sorted(self.truths)]
        k, n = (np.array([total(truth & part) for truth in truths]) for part in (selected, ~lacking))
        k, n = k[(n > 0).all(axis=1)], n[(n > 0).all(axis=1)]
        share = n.sum(axis=1) / n.sum()
        return share @ (k / (n + down)), share @ ((k + up) / (n + up))

    def _shares(self, groups: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
        """How often the outcome is given, and how often it is true, in each group."""
        answers = self.answers
        assert answers.y_true is not None  # noqa: S101 - an outcome that is true for some images
        known = answers.y_true != UNKNOWN
        group = numbered(answers, self.record["attributes"], groups)[known]
        weight = np.ones(len(group)) if answers.weight is None else answers.weight[known]
        true, given = (np.isin(values[known].astype(str), list(self.outcome or ())) for values in (answers.y_true, answers.y_pred))
        images = np.bincount(group, minlength=len(groups))
        parts = (np.ones(len(true), bool), given, true, given & ~true, true & ~given)
        total, *sums = (np.bincount(group[part], weight[part], len(groups)) for part in parts)
        rows = []
        for at, name in enumerate(groups):
            n = int(images[at])
            row: dict[str, Any] = dict.fromkeys(("given", "true", "excess", "low", "high"))
            if n:
                shares = [float(part[at] / total[at]) for part in sums]
                row |= {"given": shares[0], "true": shares[1], "excess": shares[2] - shares[3]}
                if self.independent:
                    row["low"], row["high"] = formulas.agresti_min(float(sums[2][at]), float(sums[3][at]), n, self.run.alpha)
            rows.append({"group": list(name), "n": n, **row})
        return rows

    def _tolerances(self, rates: Sequence[Mapping[str, Any]], units: Units) -> tuple[dict[str, Any], Units]:
        """The tolerance in ratio and the bound for negligible error rates, and the units whose ratio, or whose errors, that are.

        These are errors given the truth, or an answer: the rarer of giving it and not giving it. A ratio of the claim's own is taken from
        the file.
        """
        out_of, _, better, _ = METRICS[self.metric]
        is_error, is_answer = out_of in ("positive", "negative"), better == "neither" and self.metric != "retrieval_rate"
        turned = units.without()
        of_rest = better == "high" if is_error else is_answer and _share(turned) < RARE
        rare = turned if of_rest else units
        limit = None
        if is_error:
            n = effective(rates)
            wrong = np.array([1 - r["value"] if of_rest else r["value"] for r in rates])
            upper = formulas.upper_limit(wrong * n, n, self.run.alpha)
            limit = self.record["tolerance"] / NEGLIGIBLE if (upper < self.record["tolerance"] / NEGLIGIBLE).all() else None
        asked = (is_error or is_answer) and limit is None and _share(rare) < RARE
        general = self.run.settings["ratio_tolerance"] if asked else None
        recorded = self.record["ratio_tolerance"]
        if recorded is not None and recorded != general:  # the claim's own: an input
            general, limit = recorded, None
        told = of_rest and not (general is None and limit is None)
        return {"ratio_tolerance": general, "negligible": limit, "ratio_of_rest": told}, rare

    def _gap(self, names: list[list[str]], units: Units, null: Null, rare: Units | None) -> dict[str, Any]:
        alpha, (i, j) = self.run.alpha, units.pairs()
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
        draws = int(self.run.settings["draws"])
        repeated = len(null.largest) == 1 or (null.repeated and self.run.same_numpy)
        return drawn(p, draws, min(draws, len(null.largest)), repeated=repeated)

    def _two_runs(self, null: Null) -> float:
        """The standard error of the difference of two runs' means, in standard deviations; 0 if the stream was repeated."""
        if len(null.largest) == 1 or (null.repeated and self.run.same_numpy):
            return 0.0
        return float((1 / len(null.largest) + 1 / min(int(self.run.settings["draws"]), FEWER_DRAWS)) ** 0.5)

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
        apart, (low, high) = units.contrasts(i, j), units.differences(i, j, self.run.alpha / len(i))
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
        alpha, tolerance, p = self.run.alpha, self.record["tolerance"], units.p(first, second)
        low, high = units.differences(first, second, alpha)
        lower, upper = units.differences(first, second, alpha / comparisons)
        columns = {
            "difference": units.contrasts(first, second), "low": low, "high": high, "p": p,
            "p_adjusted": formulas.holm(p) if comparisons > 1 else p, "low_adjusted": lower, "high_adjusted": upper,
            "beyond_tolerance": (lower > tolerance) | (upper < -tolerance),
        }  # fmt: skip
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        return [{"first": one, "second": two, **dict(zip(columns, row, strict=True))} for (one, two), row in zip(names, rows, strict=True)]
