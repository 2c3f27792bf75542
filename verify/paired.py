"""The same images, or pairs of images, under two conditions: changes of a rate, counterfactual pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from verify import formulas
from verify.answers import UNKNOWN, Answers, column_of
from verify.clusters import Clusters, Kinds
from verify.images import Images, binomial, share_reaching, stream, tied
from verify.ledger import Drawn, drawn

Facts = dict[str, Any]
EXACT = 14
"""With at most this many clusters that differ, every pattern of signs is counted."""


@dataclass(frozen=True)
class Change:
    """Images of one group before and after: +1 gains its event, -1 loses it, 0 keeps it."""

    net: np.ndarray
    cluster: np.ndarray | None

    @property
    def gained(self) -> int:
        return int((self.net > 0).sum())

    @property
    def lost(self) -> int:
        return int((self.net < 0).sum())

    def effective(self, alpha: float) -> tuple[float, float, float]:
        """Gained, lost and all images as if they were independent: fewer, if clusters vary more than images would."""
        n = len(self.net)
        if self.cluster is None or not n:
            return self.gained, self.lost, n
        table = Kinds.of_rows(self.cluster, np.zeros(n, np.int64), self.net, np.ones(n), 1)
        spread, equal, change = float(table.covariances()[0, 0]), float(table.sums().effective[0]), (self.gained - self.lost) / n
        single = (self.gained + self.lost) / n - change**2
        independent = min(single / spread, n) if spread > 1e-20 else equal
        freedom = max(equal - 1, 1.0)
        reliable = max(1.0, independent * (formulas.normal(alpha) / float(stdtrit(freedom, 1 - alpha / 2))) ** 2)
        return self.gained * reliable / n, self.lost * reliable / n, reliable

    def limits(self, alpha: float) -> tuple[float, float]:
        """Agresti and Min's limits of the change."""
        return formulas.agresti_min(*self.effective(alpha), alpha)

    def p(self, settings: Mapping[str, Any], name: str) -> tuple[float, bool]:
        """The p of no change, and whether it is exact: McNemar's, or from flips of whole clusters."""
        if self.cluster is None:
            return formulas.mcnemar(self.lost, self.gained), True
        _, owner = np.unique(self.cluster, return_inverse=True)
        net = np.bincount(owner, self.net).astype(np.int64)
        net = net[net != 0]
        if len(net) <= EXACT:
            return every_flip(net.astype(float)), True
        sizes, clusters = np.unique(np.abs(np.append(net, 0)), return_counts=True)
        if len(net) == len(np.unique(self.cluster)):  # no cluster without a change: size 0 does not occur
            sizes, clusters = sizes[1:], clusters[1:]
        else:
            clusters[sizes == 0] = 0
        draws, rng = int(settings["draws"]), stream(int(settings["seed"]), name)
        ups = binomial(clusters, 0.5, (draws, len(sizes)), rng)
        return share_reaching(np.abs((2 * ups - clusters) @ sizes).astype(float), float(abs(net.sum()))), False


def every_flip(net: np.ndarray) -> float:
    """Two-sided p of a sum under all patterns of signs; 1 without any change."""
    if not len(net):
        return 1.0
    signs = 1 - 2 * ((np.arange(1 << len(net))[:, None] >> np.arange(len(net))) & 1)
    return float(np.mean(np.abs(signs @ net) >= tied(abs(net.sum()), np.abs(net).sum())))


def follows_truth_p(cluster: np.ndarray, code: np.ndarray, event: np.ndarray, truths: int) -> float | None:
    """The smallest p of two true answers, times their number of pairs, over those in enough clusters."""
    units = Clusters(Kinds.of_rows(cluster, code, event, np.ones(len(code)), truths))
    enough = np.flatnonzero(units.enough())
    i, j = np.triu_indices(len(enough), 1)
    return float(min(1.0, len(i) * units.p(enough[i], enough[j]).min())) if len(i) else None


# ---- counterfactual pairs ------------------------------------------------------------------------------------------------------------


def verify_pairs(audit: Mapping[str, Any], answers: Mapping[str, Answers], settings: Mapping[str, Any], same_numpy: bool) -> list[Facts]:
    """The fields of each paired finding of an audit; without p if the file does not say which images form a pair."""
    rows = [_pair_facts(record, audit, answers[record["measurement"]], settings, same_numpy) for record in audit["paired"]]
    values = [row["sign_flip_p"].value for row in rows if "sign_flip_p" in row]
    if len(values) == len(rows):
        for row, value in zip(rows, formulas.holm(np.array(values, float)).tolist(), strict=True):
            row["p_adjusted"] = Drawn(value, row["sign_flip_p"].error * len(rows))
    for record, row in zip(audit["paired"], rows, strict=True):
        if (finding := _same_question(record, audit)) is not None and record["n"]:
            [contrast] = [contrast for contrast in finding["contrasts"] if contrast["first"] == [record["first"]]]
            row |= {name: contrast[name] for name in ("difference", "low", "high")}
            row |= {"sign_flip_p": finding["gap"]["p"], "p_adjusted": finding["gap"]["p_adjusted"]}
    return rows


def _same_question(record: Mapping[str, Any], audit: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The finding that compares the same two groups inside their sets: it has the same interval and p."""
    metric = "accuracy" if record["outcome"] is None else "selection_rate"
    wanted = (record["measurement"], metric, record["outcome"], [record["attribute"]])
    for finding in audit["findings"]:
        named = (finding["measurement"], finding["metric"], finding["outcome"], finding["attributes"])
        if named == wanted and finding["gap"] and finding["gap"]["within"] and len(finding["contrasts"]) == 2:
            return dict(finding)
    return None


_STREAM = ("measurement", "attribute", "first", "second", "outcome")


def _pair_facts(
    record: Mapping[str, Any], audit: Mapping[str, Any], answers: Answers, settings: Mapping[str, Any], same_numpy: bool
) -> Facts:
    measurement = next(m for m in audit["measurements"] if m["name"] == record["measurement"])
    outcome = None if record["outcome"] is None else measurement["outcomes"][record["outcome"]]
    found = _pairs(record, answers, outcome, [name for name in audit["data"]["groups"] if name != record["attribute"]])
    if found is None:
        return {}
    (first, second, flips), n, alpha = found, len(found[0]), float(settings["alpha"])
    net = first.astype(int) - second.astype(int)
    change, name = Change(net, None), "/".join(filter(None, ("paired", *map(record.get, _STREAM))))
    p, exact = _sign_flip_p(net, settings, name)
    facts: Facts = {
        "n": n, "flips": int(flips.sum()), "only_first_correct": change.gained, "only_second_correct": change.lost, "clusters": n,
        "mcnemar_p": formulas.mcnemar(change.gained, change.lost),
        "sign_flip_p": drawn(p, int(settings["draws"]), repeated=exact or same_numpy),
    }  # fmt: skip
    if not n:
        return facts | dict.fromkeys(("flip_rate", "flip_low", "flip_high", "difference", "low", "high"))
    (flip_low,), (flip_high,) = Images(np.array([flips.sum()]), np.array([n])).intervals(alpha)
    low, high = change.limits(alpha)
    rates = {"flip_rate": float(flips.mean()), "flip_low": float(flip_low), "flip_high": float(flip_high)}
    return facts | rates | {"difference": float(net.sum() / n), "low": low, "high": high}


def _sign_flip_p(net: np.ndarray, settings: Mapping[str, Any], name: str) -> tuple[float, bool]:
    moved = net[net != 0].astype(float)
    if len(moved) <= EXACT:
        return every_flip(moved), True
    draws, rng = int(settings["draws"]), stream(int(settings["seed"]), name)
    signs = 1 - 2 * rng.integers(2, size=(draws, len(moved)), dtype=np.int8)
    return float((1 + (np.abs(signs @ moved) >= tied(abs(moved.sum()), np.abs(moved).sum())).sum()) / (draws + 1)), False


def _pairs(
    record: Mapping[str, Any], answers: Answers, outcome: Sequence[str] | None, others: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Event of the first and of the second image of each complete pair, and whether their answers differ.

    A pair is a cluster with one image of either side. The columns that match pairs are not recorded: None if a cluster has more images of a
    side, or if the two differ in another attribute, too.
    """
    event = answers.y_pred == answers.y_true if outcome is None else np.isin(answers.y_pred.astype(str), list(outcome))
    attribute, cluster = answers.columns[column_of(record["attribute"])], answers.columns.get(column_of(record["cluster_attribute"]))
    if cluster is None:
        return None
    known = cluster != UNKNOWN
    if outcome is None and answers.y_true is not None:
        known &= answers.y_true != UNKNOWN
    sides: list[dict[str, int]] = []
    for level in (record["first"], record["second"]):
        rows = np.flatnonzero((attribute == level) & known)
        if len(set(cluster[rows])) < len(rows):
            return None
        sides.append({cluster[row]: int(row) for row in rows})
    both = sorted(set(sides[0]) & set(sides[1]))
    one, two = (np.array([side[name] for name in both], np.int64) for side in sides)
    columns = [answers.columns[column_of(name)] for name in others if column_of(name) in answers.columns]
    if any((column[one] != column[two]).any() for column in columns):
        return None
    return event[one], event[two], answers.y_pred[one] != answers.y_pred[two]
