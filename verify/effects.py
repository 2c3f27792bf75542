"""Questions about scores and trends, recomputed from the answers: areas under the curve from midranks, slopes from the rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit
from scipy.stats import rankdata

from verify import formulas
from verify.answers import METRICS, UNKNOWN, Answers, column_of, numbered
from verify.missing_truth import MissingTruth

Facts = dict[str, Any]
POWER, FEWEST_CLUSTERS, FEWEST_LEVELS = 0.8, 15, 3


class TestedEffect:
    """An effect question of the file with its recomputed effects; None where the answers do not determine them."""

    def __init__(self, record: Mapping[str, Any], facts: Facts | None):
        self.record, self.facts = record, facts

    @property
    def primary(self) -> bool:
        return bool(self.record["primary"])

    @property
    def p(self) -> float | None:
        """The recomputed p, or the recorded one if it was not recomputed."""
        value: float | None = (self.record if self.facts is None else self.facts)["p"]
        return value


def tested(
    record: Mapping[str, Any], answers: Answers, rates: Sequence[Mapping[str, Any]] | None, outcome: Sequence[str] | None,
    settings: Mapping[str, Any],
) -> TestedEffect:  # fmt: skip
    """Recompute an effect question; `rates` are the recomputed rates of the claim that a trend is about, `outcome` has its answers."""
    if record["kind"] == "superiority":
        return TestedEffect(record, _scores(record, answers, settings))
    facts = None if rates is None else _trend(record, rates, settings, clusters=answers.cluster is not None)
    if facts is not None and rates is not None:
        facts["missing_truth"] = _missing_truth(record, facts, answers, rates, outcome, float(settings["alpha"]))
    return TestedEffect(record, facts)


# ---- scores --------------------------------------------------------------------------------------------------------------------------


def _scores(record: Mapping[str, Any], answers: Answers, settings: Mapping[str, Any]) -> Facts | None:
    """Levels and pairs of independent images without weights and without true answers; None for others, which are not recomputed."""
    score = (answers.scores or {}).get(record["outcome"])
    if score is None or answers.cluster is not None or answers.weight is not None or answers.y_true is not None or record["clusters"]:
        return None
    column, score = answers.columns[column_of(record["attribute"])], np.asarray(score, float)
    alpha, fewest = float(settings["alpha"]), max(int(settings["min_group_size"]), 2)
    levels = []
    for level in record["levels"]:
        own = score[column == level["level"]]
        status = "unknown" if level["level"] == UNKNOWN else "absent" if not len(own) else "ok" if len(own) >= fewest else "small"
        levels.append({"level": level["level"], "n": len(own), "value": float(np.median(own)) if len(own) else None, "status": status})
    named = [level["level"] for level in levels if level["status"] == "ok"]
    pairs = [(one, other, _area(score[column == one], score[column == other])) for one, other in combinations(named, 2)]
    known = [(one, other, area) for one, other, area in pairs if area is not None]
    effects = [_effect(one, other, area, alpha, len(known)) for one, other, area in known]
    p = min([1.0, *(len(known) * one["p"] for one in effects)]) if effects else None
    thresholds = _sweep(score, column, [level["level"] for level in levels], alpha) if effects else []
    return {"levels": levels, "effects": effects, "p": p, "thresholds": thresholds, "missing_truth": None}


def _sweep(score: np.ndarray, column: np.ndarray, levels: Sequence[str], alpha: float) -> list[Facts]:
    """Shares above thresholds that half, a quarter, a tenth, 5, 2 and 1 % of all scores exceed."""
    ordered, n = np.sort(score), len(score)
    cuts = {float(ordered[max(int(np.ceil(round((1 - share) * n, 9))), 1) - 1]) for share in (0.5, 0.25, 0.1, 0.05, 0.02, 0.01)}
    sweep = []
    for cut in sorted(cuts - {float(ordered[-1])}):
        counted = [(int((score[column == level] > cut).sum()), int((column == level).sum())) for level in levels]
        k, m = (np.array(part) for part in zip(*counted, strict=True))
        low, high = formulas.wilson(k, m, alpha)
        rates = [{"value": k[i] / m[i], "low": float(low[i]), "high": float(high[i])} if m[i] else None for i in range(len(m))]
        sweep.append({"threshold": cut, "overall": float((score > cut).mean()), "by_level": rates})
    return sweep


def _area(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float] | None:
    """Area under the curve, its variance and degrees of freedom, from ranks: among all images, and within each group."""
    m, n = len(x), len(y)
    ranks = rankdata(np.concatenate([x, y]))
    first, second = (ranks[:m] - rankdata(x)) / n, (ranks[m:] - rankdata(y)) / m
    area = float(first.mean())
    parts = (float(first.var(ddof=1)) / m, float(second.var(ddof=1)) / n)
    spread = float((((ranks - 0.5) / (m + n) - 0.5) ** 2).mean())
    if spread == 0:
        return None
    null, variance = spread * (1 / m + 1 / n), sum(parts)
    scale = 4 * area * (1 - area) if 0 < area < 1 else 1.0
    slack = parts[0] ** 2 / max(m - 1, 1) + parts[1] ** 2 / max(n - 1, 1)
    freedom = variance**2 / slack if slack > 0 else float(max(m + n - 2, 1))
    return area, max(variance, scale * null * (0.5 if variance > 0 else 1.0)), freedom


def _effect(one: str, other: str, area: tuple[float, float, float], alpha: float, pairs: int) -> Facts:
    value, variance, freedom = area
    if value < 0.5:
        one, other, value = other, one, 1 - value
    size = value * (1 - value) / variance if 0 < value < 1 else 0.25 / variance

    def limits(level: float) -> tuple[float, float]:
        t2 = float(stdtrit(freedom, 1 - level / 2) if freedom < 1e6 else ndtri(1 - level / 2)) ** 2
        half = np.sqrt(t2 * (value * (1 - value) / size + t2 / (4 * size**2)))
        ends = ((value + t2 / (2 * size) + side * half) / (1 + t2 / size) for side in (-1, 1))
        low, high = ends
        return max(float(low), 0.0), min(float(high), 1.0)

    low, high = limits(alpha / pairs)
    inner = limits(2 * alpha)
    p = min(1.0, 2 * float(stdtr(freedom, -abs(2 * value - 1) * np.sqrt(size))))
    reach = max(inner[1] - 0.5, 0.5 - inner[0])
    return {"first": one, "second": other, "value": value, "low": low, "high": high, "p": p, "standard_error": float(np.sqrt(variance)),
            "reach": reach}  # fmt: skip


# ---- trends --------------------------------------------------------------------------------------------------------------------------


def _trend(record: Mapping[str, Any], rates: Sequence[Mapping[str, Any]], settings: Mapping[str, Any], *, clusters: bool) -> Facts | None:
    """The slope of independent images, and the levels; None for clusters, weights and equal true shares, which are not recomputed."""
    by_level = {rate["group"][0]: rate for rate in rates}
    shown = [by_level[level["level"]] for level in record["levels"] if level["level"] in by_level]
    dependent = clusters or record["clusters"] or record["within_truth"] or any(rate["effective_n"] is not None for rate in shown)
    if dependent or len(shown) != len(record["levels"]):
        return None
    levels = [{"level": rate["group"][0], "n": rate["n"], "value": rate["value"], "status": "ok"} for rate in shown]
    n, k = (np.array([rate[name] for rate in shown], float) for name in ("n", "events"))
    nothing: Facts = {"levels": levels, "effects": [], "p": None}
    if len(shown) < FEWEST_LEVELS or n.sum() < int(settings["min_group_size"]) or k.sum() in (0, n.sum()):
        return nothing
    # The steps of a declared order may skip levels without images; then only the number of all steps is recorded.
    if record["steps"] != len(shown) - 1:
        return None
    step, alpha = np.arange(len(shown), dtype=float), float(settings["alpha"])
    centred = step - (n * step).sum() / n.sum()
    c, p = n * centred / (n * centred**2).sum(), k / n
    slope = float((c * p).sum())

    def limits(level: float) -> tuple[float, float]:
        low, high = formulas.wilson(k, n, level)
        down, up = np.where(c > 0, p - low, p - high), np.where(c > 0, high - p, low - p)
        return slope - float(np.sqrt(((c * down) ** 2).sum())), slope + float(np.sqrt(((c * up) ** 2).sum()))

    (low, high), inner, pooled = limits(alpha), limits(2 * alpha), k.sum() / n.sum()
    value = 2 * float(ndtr(-abs(slope) / np.sqrt(pooled * (1 - pooled) / (n * centred**2).sum())))
    effect = {
        "first": shown[0]["group"][0], "second": shown[-1]["group"][0], "value": slope, "low": low, "high": high, "p": value,
        "standard_error": (high - low) / (2 * float(ndtri(1 - alpha / 2))), "reach": (len(shown) - 1) * max(inner[1], -inner[0]),
    }  # fmt: skip
    return {"levels": levels, "effects": [effect], "p": min(1.0, value)}


def _missing_truth(
    record: Mapping[str, Any], facts: Facts, answers: Answers, rates: Sequence[Mapping[str, Any]], outcome: Sequence[str] | None,
    alpha: float,
) -> Facts | None:  # fmt: skip
    """Where true answers of the levels are missing depending on the answer, and the slopes that the missing ones allow."""
    if not facts["effects"] or answers.y_true is None or not METRICS[record["metric"]][3]:
        return None
    levels = [[level["level"]] for level in facts["levels"]]
    every = [*levels, *(rate["group"] for rate in rates if rate["group"] not in levels)]
    group, compared = numbered(answers, [record["attribute"]], every), np.arange(len(levels))
    missing = MissingTruth(answers, record["metric"], outcome, record["outcome"], False, alpha)
    found = missing.depends(group, levels, compared)
    if found is None:
        return None
    n, steps = np.array([level["n"] for level in facts["levels"]], float), len(levels) - 1
    centred = np.arange(len(n)) - (n * np.arange(len(n))).sum() / n.sum()
    c = n * centred / (n * centred**2).sum()

    def slope(rates: np.ndarray) -> tuple[float, float, float]:
        low, high = formulas.wilson(rates * n, n, alpha)
        below, above = np.where(c > 0, rates - low, high - rates), np.where(c > 0, high - rates, rates - low)
        value = float(c @ rates)
        return value, value - float(np.sqrt(((c * below) ** 2).sum())), value + float(np.sqrt(((c * above) ** 2).sum()))

    down, up = missing.extremes(group, compared)
    (least, low, _), (most, _, high) = slope(np.where(c > 0, down, up)), slope(np.where(c > 0, up, down))
    first, last = [[facts["effects"][0][end]] for end in ("first", "second")]
    reach = steps * max(high, -low)
    filled = {"higher": last, "lower": first, "least": least, "most": most, "low": low, "reach": reach}
    if facts["effects"][0]["value"] < 0:
        filled = {"higher": first, "lower": last, "least": -most, "most": -least, "low": -high, "reach": reach}
    return found | {"filled": filled}


# ---- verdicts ------------------------------------------------------------------------------------------------------------------------


def decided(
    effect: TestedEffect, p_adjusted: float | None, family: int, alpha: float, *, blind: bool, limited: bool, undeclared: bool
) -> Facts:
    """Adjusted p, the detectable effect and the verdict; effects that were not recomputed are taken as recorded."""
    record = effect.record
    effects = record["effects"] if effect.facts is None else effect.facts["effects"]
    if not effects or p_adjusted is None:
        return {
            "verdict": "inconclusive" if limited and record["primary"] else "not estimable",
            "p_adjusted": None,
            "exceeds_tolerance": False,
        }
    steps, none = record["steps"], 0.5 if record["kind"] == "superiority" else 0.0
    z = float(ndtri(1 - alpha / max(family, 1) / 2 / len(effects))) + float(ndtri(POWER))
    facts: Facts = {"p_adjusted": p_adjusted, "minimum_detectable": min(z * max(one["standard_error"] for one in effects) * steps, 1.0)}
    apart = [max(one["low"] - none, none - one["high"]) for one in effects]
    differ = p_adjusted <= alpha and max(apart) > 0 and not limited
    if undeclared or (record["kind"] == "trend" and blind and not limited):
        return facts | {"verdict": "not estimable", "exceeds_tolerance": False}
    beyond = differ and max(apart) * steps > record["tolerance"] and record["primary"]
    if not record["primary"]:
        verdict = "signal" if differ else "no signal"
    elif not limited and all(one["reach"] < record["tolerance"] for one in effects):
        verdict, beyond = "equivalent", False
    else:
        verdict = "disparity" if differ else "inconclusive"
    missing = (record if effect.facts is None else effect.facts).get("missing_truth")
    if missing is not None:
        filled, tolerance = missing["filled"], record["tolerance"]
        may_change = filled["reach"] >= tolerance if verdict == "equivalent" else filled["low"] <= none
        if may_change and verdict in ("equivalent", "disparity", "signal"):
            open_ended = "inconclusive" if record["primary"] else "no signal"
            return facts | {"verdict": open_ended, "exceeds_tolerance": False, "withheld": verdict}
        beyond = beyond and (filled["low"] - none) * steps > tolerance
    return facts | {"verdict": verdict, "exceeds_tolerance": beyond, "withheld": None}


def adjusted(effects: Sequence[TestedEffect], others: Sequence[float]) -> tuple[list[float | None], dict[bool, int]]:
    """Holm's p with the p of all other planned questions, Benjamini and Hochberg's among the exploratory ones; and both numbers."""
    values: list[float | None] = [None] * len(effects)
    sizes = {}
    for primary, method in ((True, formulas.holm), (False, formulas.benjamini_hochberg)):
        at = [number for number, one in enumerate(effects) if one.primary == primary and one.p is not None]
        p = [*(float(effects[number].p or 0.0) for number in at), *(others if primary else ())]
        sizes[primary] = len(p)
        for number, value in zip(at, method(np.array(p, float)).tolist(), strict=False):
            values[number] = value
    return values, sizes
