"""All that is recomputed of `results.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from verify.answers import AnswerFile, Answers, column_of, counted
from verify.comparison import ComparisonRun, Side, verify_comparisons
from verify.finding import OF_COMPOSITION, Question, Run
from verify.images import EqualTruth, Units, equal_truth
from verify.ledger import Ledger
from verify.paired import verify_pairs
from verify.responsiveness import recognises_nothing, responsiveness
from verify.verdicts import Facts, Tested, adjusted, decided, of_audit


class Audit:
    """One audit of the file: its answers, and its findings without verdicts."""

    def __init__(self, results: Mapping[str, Any], at: int, table: AnswerFile, ledger: Ledger):
        record = results["audits"][at]
        self.record, self.path, self.ledger = record, ("audits", at), ledger
        self.run = Run(results["settings"], record, results["environment"].get("numpy") == np.__version__)
        self.answers = {m["name"]: table.answers(record, m["name"]) for m in record["measurements"]}
        self._compare_inputs()
        self.looks = self._looks()
        self.tested = [self._tested(number) for number in range(len(record["findings"]))]

    @property
    def undeclared(self) -> bool:
        """Whether rows may belong together in a way that was not named: then no question has an answer."""
        return any(note["code"] == "undeclared_units" for note in self.record["data"]["notes"])

    @property
    def missing(self) -> int:
        """How many questions of the plan lock are not planned any more."""
        lock = self.record.get("lock")
        return 0 if lock is None else len(lock["exploratory"]) + len(lock["not_asked"])

    # ---- images and answers ----------------------------------------------------------------------------------------------------------

    def _compare_inputs(self) -> None:
        for at, measurement in enumerate(self.record["measurements"]):
            answers = self.answers[measurement["name"]]
            given = {name: int((answers.y_pred == name).sum()) for name in measurement["answer_counts"]}
            given |= {name: int((answers.y_pred == name).sum()) for name in set(answers.y_pred)}
            self.ledger.compare((*self.path, "measurements", at, "answer_counts"), measurement["answer_counts"], given)
        for at, counts in enumerate(self.record["counts"]):
            computed = _cells(counts, self.answers[counts["measurement"]])
            self.ledger.compare((*self.path, "counts", at), counts, computed)
        self._compare_data()

    def _compare_data(self) -> None:
        data, answers = self.record["data"], max(self.answers.values(), key=lambda answers: len(answers.y_pred), default=None)
        sums = {sum(levels.values()) for name, levels in data["groups"].items() if name not in data["several"]}
        # Images that no question is about are not in the file; but then the groups of every attribute add up to the number of images.
        if answers is None or (len(answers.y_pred) < data["used"] and sums <= {data["used"]}):
            return
        levels: Facts = {}
        for name, recorded in data["groups"].items():
            texts = answers.columns.get(column_of(name))
            if texts is None:
                continue
            parts = [part for text in texts for part in (set(text.split("|")) if name in data["several"] else (text,))]
            names, images = np.unique(np.array(parts, str), return_counts=True)
            levels[name] = dict.fromkeys(recorded, 0) | dict(zip(names.tolist(), images.tolist(), strict=True))
        facts: Facts = {"used": len(answers.y_pred), "groups": levels}
        if answers.cluster is not None:
            facts["clusters"] = len(np.unique(answers.cluster))
        self.ledger.compare((*self.path, "data"), data, facts)

    def _looks(self) -> dict[str, str | None]:
        """By measurement, whether its answers depend on the images: as recomputed, or as recorded for questions of rows."""
        codes = {}
        for at, measurement in enumerate(self.record["measurements"]):
            name, recorded = measurement["name"], measurement["responsiveness"]
            computed = responsiveness(self.run, measurement, self.answers[name], self.answers.get(f"{name}: order"))
            self.ledger.compare((*self.path, "measurements", at, "responsiveness"), recorded, computed)
            codes[name] = (computed or {}).get("code", (recorded or {}).get("code"))
        return codes

    # ---- findings --------------------------------------------------------------------------------------------------------------------

    def _tested(self, at: int) -> Tested:
        record = self.record["findings"][at]
        path = (*self.path, "findings", at)
        question = Question(self.run, record, self.answers[record["measurement"]])
        facts, units, null = question.recomputed()
        if units is None or null is None:
            return Tested(record, facts, None, [])
        recorded = (record["gap"] or {}).get("p")
        p = question.drawn_p(null.p, null)
        agrees = self.ledger.compare((*path, "gap", "p"), recorded, p)
        within = self._within_truth_p(question, facts, at, null.p)
        compared = [rate["group"] for rate in facts["by_group"] if rate["status"] == "ok"]
        return Tested(record, facts, recorded if agrees else null.p, question.every_pair(compared, units), within)

    @property
    def effect_p(self) -> list[float]:
        """The recorded p of the planned questions about scores and trends: they share the adjustment."""
        return [effect["p"] for effect in self.record["effects"] if effect["primary"] and effect["p"] is not None]

    def _within_truth_p(self, question: Question, facts: Facts, at: int, p: float) -> float | None:
        """For accuracy without evidence that the answers depend on the images: p of shuffles within each true answer."""
        record, look, alpha = question.record, self.looks[question.record["measurement"]], self.run.alpha
        path, several = (*self.path, "findings", at, "within_truth_p"), set(self.record["data"]["several"])
        applies = look not in (None, "looks") and record["metric"] == "accuracy" and record["outcome"] is None and p <= alpha
        if not applies or several & set(record["attributes"]) or question.answers.y_true is None:
            self.ledger.compare(path, record["within_truth_p"], None)
            return None
        judged = np.array([rate["status"] == "ok" for rate in facts["by_group"]])
        units = _within_truth(question, judged)
        if units is None or not question.independent:
            recorded: float | None = record["within_truth_p"]
            return recorded
        null = units.test(question.draws, question.stream("/within true answers"))
        self.ledger.compare(path, record["within_truth_p"], question.drawn_p(null.p, null))
        return null.p

    # ---- verdicts --------------------------------------------------------------------------------------------------------------------

    def decide(self, p_adjusted: Sequence[float | None]) -> None:
        """Compare every finding, its verdict, and that of the audit."""
        limited, records = bool(self.record["data"]["limited"]), [m["responsiveness"] for m in self.record["measurements"]]
        invalid, verdicts = recognises_nothing(records), []
        for at, (tested, p) in enumerate(zip(self.tested, p_adjusted, strict=True)):
            look = self.looks[tested.record["measurement"]]
            facts = decided(tested, p, self.run.alpha, look, limited=limited, invalid=invalid, undeclared=self.undeclared)
            path = (*self.path, "findings", at)
            facts = {**tested.facts, **facts, "composition": self._composition(tested, p)}
            if tested.record["ratio_tolerance"] is not None:  # a claim may set its own: an input, as its tolerance is
                del facts["ratio_tolerance"]
            self.ledger.compare(path, tested.record, facts)
            if tested.primary:
                verdicts.append(facts["verdict"])
        verdicts += [effect["verdict"] for effect in self.record["effects"] if effect["primary"]]
        pairs = verify_pairs(self.record, self.answers, self.run.settings, self.run.same_numpy)
        self.ledger.compare((*self.path, "paired"), self.record["paired"], pairs)
        self.ledger.compare((*self.path, "verdict"), self.record["verdict"], of_audit(verdicts))

    def _composition(self, tested: Tested, p_adjusted: float | None) -> Facts | None:
        """The gap of accuracy if every group had the same shares of true answers; None if a group lacks one."""
        record, answers = tested.record, self.answers[tested.record["measurement"]]
        applies = tested.primary and tested.facts["gap"] and record["metric"] == "accuracy" and record["outcome"] is None
        if not applies or answers.weight is not None or answers.y_true is None:
            return None
        counts = next((counts for counts in self.record["counts"] if counts["measurement"] == record["measurement"]), None)
        if counts is None or not counts["truth"] or not set(record["attributes"]) <= set(counts["attributes"]):
            return None
        question = Question(self.run, record, answers)
        units = _within_truth(question, np.array([rate["status"] == "ok" for rate in tested.facts["by_group"]]), every=True)
        if units is None:
            return None
        gap, p = float(np.ptp(units.rates)), None
        of_gap = tested.facts["gap"]["value"]
        if answers.cluster is None:
            null = units.test(min(question.draws, OF_COMPOSITION), question.stream("/equal true answers"))
            p = question.drawn_p(null.p, null)
        equal = p is not None and p.value > self.run.alpha and gap <= of_gap / 2
        explains = p_adjusted is not None and p_adjusted <= self.run.alpha and (equal or gap < 1e-9)
        return {"gap": gap, "p": p, "explains": explains}


def _within_truth(question: Question, judged: np.ndarray, *, every: bool = False) -> Units | None:
    """The compared groups by true answer; `every`: None if a group lacks some true answer, otherwise only shared ones count."""
    known = ~question.lacking & (judged[question.group] if every else True)
    truth, (_, event) = question.truth[known], counted(question.answers, "accuracy", None)
    _, k, n, weights = equal_truth(truth, question.group[known], event[known], len(judged), judged)
    if every:
        return EqualTruth(k[:, judged], n[:, judged], weights) if len(set(truth)) > 1 and len(k) == len(set(truth)) else None
    compared = np.flatnonzero(judged & (n.sum(axis=0) > 0))
    return EqualTruth(k, n, weights).of(compared) if len(compared) > 1 else None


def _cells(counts: Mapping[str, Any], answers: Answers) -> Facts:
    """The non-empty cells of a grid of attributes, true answer and answer, and their numbers of images."""
    axes = [*counts["levels"], *([counts["answers"]] * (1 + counts["truth"]))]
    columns = [answers.columns[column_of(name)] for name in counts["attributes"]]
    columns += [column for column in (answers.y_true if counts["truth"] else None, answers.y_pred) if column is not None]
    position = np.zeros(len(answers.y_pred), np.int64)
    for levels, column in zip(axes, columns, strict=True):
        code = {level: at for at, level in enumerate(levels)}
        position = position * len(levels) + np.array([code.get(value, len(levels)) for value in column], np.int64)
    cells, n = np.unique(position, return_counts=True)
    return {"cells": cells.tolist(), "n": n.tolist()}


def verify_results(results: Mapping[str, Any], table: AnswerFile, ledger: Ledger) -> list[Audit]:
    """Recompute every audit of the file; probes of a suite share the adjustment of p."""
    audits = [Audit(results, at, table, ledger) for at in range(len(results["audits"]))]
    verify_models(results, audits, ledger)
    for family in _families(audits):
        missing, of_effects = sum(audit.missing for audit in family), [p for audit in family for p in audit.effect_p]
        values = adjusted([tested for audit in family for tested in audit.tested], [*of_effects, *[1.0] * missing])
        for audit in family:
            audit.decide(values[: len(audit.tested)])
            values = values[len(audit.tested) :]
    return audits


def verify_models(results: Mapping[str, Any], audits: Sequence[Audit], ledger: Ledger) -> None:
    """Recompute the changes between several models of one run."""
    paired = results["paired_models"]
    if paired is None or not paired["comparisons"]:
        return
    known = {(audit.record["model"]["name"], audit.record["probe"]["name"]): audit for audit in audits}

    def lookup(model: str, probe: str) -> Side | None:
        audit = known.get((model, probe))
        return None if audit is None else (audit.record, audit.answers.__getitem__)

    comparisons = paired["comparisons"]
    everyone = dict.fromkeys(name for comparison in comparisons for name in (comparison["before"], comparison["after"]))
    run = ComparisonRun(results["settings"], audits[0].run.same_numpy)
    verify_comparisons(comparisons, list(everyone), ("paired_models", "comparisons"), lookup, run, ledger)


def _families(audits: Sequence[Audit]) -> list[list[Audit]]:
    families: dict[tuple[object, ...], list[Audit]] = {}
    for at, audit in enumerate(audits):
        suite = audit.record.get("suite")
        key = (audit.record["model"]["name"], suite["name"]) if suite else (at,)
        families.setdefault(key, []).append(audit)
    return list(families.values())
