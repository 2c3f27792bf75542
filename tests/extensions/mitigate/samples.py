"""Finished mitigations in each outcome, made without a model: counted from planted answers, with the program's own verdict."""

from dataclasses import replace
from functools import cache

from audit.extensions.mitigate.page import render_mitigation
from audit.extensions.mitigate.record import (
    SCHEMA_VERSION,
    Capability,
    EarlierRun,
    Fold,
    FurtherTraining,
    Half,
    MapControl,
    Mitigation,
    MitigationPlan,
    MovedAnswers,
    RefusedMap,
    TriedMap,
)
from audit.extensions.mitigate.verdict import capability_code, decide_outcome
from audit.records.base import Estimate
from audit.types import Note
from tests.support import comparison_samples as samples

QUESTION = "animal/accuracy/group"
WRONG = {
    "better": ({"b": 60}, {"a": 3, "b": 6, "c": 2}),
    "worse": ({"b": 6, "c": 2}, {"b": 60, "c": 2}),
    "no change shown": ({"b": 20}, {"b": 19, "c": 1}),
}
"""Wrong answers by group (of 120 images), before and after."""


def mitigation(outcome="better", *, controls=(0.01, 0.01), margin=0.02, **fields):
    """Return the facts of a mitigation that ends with this outcome; `controls` are the p of random directions and of shuffled groups."""
    compared = _compared(outcome)
    changes = compared.comparisons[0].changes
    target = next(change for change in changes if change.id == QUESTION)
    cost = _capability(*WRONG[outcome], margin)
    maps = tuple(
        MapControl(kind, (*(0.3 + 0.002 * i for i in range(99)),), p)
        for kind, p in zip(("random directions", "shuffled groups"), controls, strict=True)
        if p is not None
    )
    found, reasons = decide_outcome(QUESTION, [change for change in changes if change.primary], cost, maps, margin, 0.05)
    facts = Mitigation(
        SCHEMA_VERSION, "complete", "vlm-audit test", ("vlm-audit mitigate", "--out", "o"), _plan(compared.settings, margin), (),
        Half(350, 350, {"a": 116, "b": 117, "c": 117}, "1" * 64), Half(360, 360, {"a": 120, "b": 120, "c": 120}, "2" * 64),
        Fold("vlm-audit folder", 2, ("text_projection", "visual.proj"), "float32", 2e-7, 1e-5, "3" * 64, "4" * 64),
        compared, MOVED, _tried(target.gap), (RefusedMap("leace", Note.of("too few images")),), maps, cost, found, reasons,
        {"numpy": "2", "python": "3"}, samples.TIMING,
    )  # fmt: skip
    assert found == outcome or controls != (0.01, 0.01), (found, reasons)
    return replace(facts, **fields)


def further_training(outcome="better", *, p=0.05, captions="table"):
    """Return the facts of a further training that ends with this outcome; `p` is that of 19 uncorrected trainings, None without them."""
    facts = mitigation(outcome)
    controls = () if p is None else (MapControl("uncorrected captions", tuple(0.3 + 0.01 * i for i in range(19)), p),)
    planned = [change for change in facts.comparison.changes if change.primary]
    found, reasons = decide_outcome(QUESTION, planned, facts.capability, controls, facts.plan.margin, 0.05)
    training = FurtherTraining(captions, 300, "7" * 64, ("data.batch=75", "optim.lr=1e-05", "optim.epochs=10", "loss.kind=softmax"), 19)
    return replace(
        facts, plan=replace(facts.plan, method="finetune", training=training), outcome=found, reasons=reasons, controls=controls,
        fold=replace(facts.fold, rank=None, changed=tuple(f"weight {number}" for number in range(31))),
        tried=(replace(facts.tried[0], method="finetune", rank=None), *facts.tried[1:]),
    )  # fmt: skip


@cache
def _compared(outcome):
    sides = zip(("before", "after"), WRONG[outcome], strict=True)
    return samples.facts(*((name, samples.result(samples.model(f"{name}/ckpt.pt"), wrong)) for name, wrong in sides))


def _capability(before, after, margin):
    rates = [1 - sum(wrong.values()) / 360 for wrong in (before, after)]
    change = Estimate(rates[1] - rates[0], rates[1] - rates[0] - 0.01, rates[1] - rates[0] + 0.01)
    return Capability("animal", 360, *rates, change, margin, capability_code(change.low, change.high, margin))


def _plan(settings, margin):
    return MitigationPlan(
        model="before/ckpt.pt", fingerprint="5" * 64, probe="zoo", data="6" * 64, question=QUESTION, chosen="planned", attribute="group",
        method="mean-difference-within-class", others=("leace", "projection", "mean-difference"), towers=("image", "text"),
        unit="image content", seed=7, watched=(QUESTION, "animal/true_positive_rate[cat]/group"), capability="animal", margin=margin,
        settings=settings, created="2026-01-02T12:00:00+00:00",
    )  # fmt: skip


def _tried(gap):
    return tuple(
        TriedMap(method, rank, replace(gap, p_adjusted=p), {}, accuracy)
        for method, rank, p, accuracy in (
            ("mean-difference-within-class", 2, 0.001, Estimate(0.1, 0.09, 0.11)), ("projection", 1, 0.2, None),
            ("mean-difference", 2, 1.0, Estimate(-0.1, -0.12, -0.08)),
        )
    )  # fmt: skip


MOVED = (MovedAnswers("b", "dog", "cat", 40, 38, 0), MovedAnswers("b", "cat", "dog", 3, 0, 2))
EARLIER = (
    EarlierRun("2026-01-01T12:00:00+00:00", "zoo", QUESTION, "leace", "no change shown"),
    EarlierRun("2026-01-02T11:00:00+00:00", "zoo", QUESTION, "projection", None),
)

PAGES = {"mitigation": lambda: render_mitigation(mitigation("worse")), "mitigation that is better": lambda: render_mitigation(mitigation())}
