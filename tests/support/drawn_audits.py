"""Audits drawn at random for the rule book: a design of a few numbers in, the audit of its table out, with all that it says."""

import json
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from hypothesis import strategies as some

from audit import audit, compare
from audit.records import comparison as comparison_file
from audit.results import to_json
from reports.exports.junit import junit_xml
from reports.exports.markdown import summary_markdown
from reports.exports.model_card import model_cards
from reports.exports.terminal.audits import audit_lines
from reports.exports.terminal.changes import comparison_lines
from reports.render import render, render_comparisons
from tests.support.coherence import Case, ChangeCase

RACES = ("Black", "White", "Indian", "Latino", "East Asian", "Middle Eastern", "Roma", "Sami")
LABELS = ("doctor", "nurse", "thief")
MODELS = ("perfect", "good", "unequal", "useless", "constant", "wrong", "mixed up")
CLUSTERS = ("none", "nested", "unequal", "spanning", "whole persons")
WEIGHTS = ("none", "ordinary", "heavy")
TRUTHS = ("known", "mixed by group", "unknown", "one answer", "some missing", "missing by answer")
DRAWS = 299
GATES = ("gap > 0.05", "gap > 0.3", "verdict == disparity", "gap[predictions.accuracy by race] > 0.1")


@dataclass(frozen=True)
class Design:
    """What is true in a table, and how it is audited."""

    sizes: tuple[int, ...]
    """Images of each race."""
    model: str
    truth: str
    clusters: str = "none"
    weights: str = "none"
    labels: int = 2
    rate: float = 0.1
    """Of errors."""
    effect: float = 0.0
    """Added for the first race."""
    gender: bool = False
    noisy_copy: bool = False
    """Whether a column is the true answer with one of a hundred changed."""
    pairs: bool = False
    ordered: bool = False
    """Whether races are levels in an order."""
    attributes: tuple[str, ...] | None = None
    options: dict = field(default_factory=dict)
    gates: tuple[str, ...] = ()
    seed: int = 0


sizes = some.one_of(
    some.lists(some.sampled_from([3, 12, 31, 60, 150]), min_size=2, max_size=6),
    some.lists(some.sampled_from([30, 200, 700, 2500]), min_size=2, max_size=4),
    some.sampled_from([[2500, 2500, 40], [31] * 8, [40, 2500], [5, 5, 5], [400, 300], [300, 300, 300, 300]]),
).map(tuple)
options = some.fixed_dictionaries(
    {},
    optional={
        "tolerance": some.sampled_from([0.02, 0.1, 0.2]),
        "min_group_size": some.sampled_from([10, 50]),
        "alpha": some.sampled_from([0.01, 0.1]),
        "require_conclusive": some.just(True),
        "exclude": some.just(("r3", "r5")),
    },
)


@some.composite
def designs(draw) -> Design:
    """Draw a design that can be audited."""
    pairs = draw(some.sampled_from([False, False, False, True]))
    truth = draw(some.sampled_from(TRUTHS))
    levels = draw(sizes)
    # A model that is wrong about the only true answer is refused: the two columns share no label.
    models = [model for model in MODELS if model != "wrong"] if truth == "one answer" else MODELS
    return Design(
        sizes=levels,
        model=draw(some.sampled_from(models)),
        truth=truth,
        clusters="none" if pairs else draw(some.one_of(some.just("none"), some.sampled_from(CLUSTERS))),
        weights=draw(some.one_of(some.just("none"), some.sampled_from(WEIGHTS))),
        labels=draw(some.sampled_from([2, 3])),
        rate=draw(some.sampled_from([0.1, 0.004, 0.4])),
        effect=draw(some.sampled_from([0.0, 0.05, 0.15, 0.5])),
        gender=draw(some.booleans()),
        noisy_copy=draw(some.sampled_from([False, False, True])),
        pairs=pairs,
        ordered=len(levels) > 2 and draw(some.booleans()),
        attributes=draw(some.sampled_from([None, None, None, ("race",)])),
        options=draw(options),
        gates=tuple(draw(some.lists(some.sampled_from(GATES), max_size=2, unique=True))),
        seed=draw(some.integers(0, 10**6)),
    )


# ---- the table -----------------------------------------------------------------------------------------------------------------------


def table(design: Design, answers: str = "") -> pd.DataFrame:
    """Return the rows; another model about the same images where `answers` names one."""
    rng = np.random.default_rng([design.seed, 1])
    race = np.repeat(np.arange(len(design.sizes)), design.sizes)
    rows = pd.DataFrame({"id": [f"r{i}" for i in range(len(race))], "race": np.array(RACES)[race]})
    labels = np.array(LABELS[: design.labels])
    truth = labels[_true_answers(design, race, rng)]
    if design.gender:
        rows["gender"] = rng.choice(["Female", "Male"], len(race))
    if design.noisy_copy:
        rows["job"] = np.where(rng.random(len(race)) < 0.01, rng.choice(labels, len(race)), truth)
    if design.pairs:
        rows["scene"] = [f"s{i // 2}" for i in range(len(race))]
        rows["tone"] = np.array(["dark", "light"])[np.arange(len(race)) % 2]
    cluster, shared = _clusters(design, race, rng)
    if cluster is not None:
        rows["person"] = cluster
    if design.weights != "none":
        rows["weight"] = _weights(design, len(race), rng)
    model = answers or design.model
    rows["y_pred"] = _given(model, design, race, truth, labels, np.random.default_rng([design.seed, 2 + bool(answers)]), shared)
    if design.truth == "some missing":
        truth = np.where(rng.random(len(race)) < 0.1, "", truth)
    if design.truth == "missing by answer":  # six of ten answers but the first to the last race, whichever model is compared with it
        given = _given(design.model, design, race, truth, labels, np.random.default_rng([design.seed, 2]), shared)
        truth = np.where((race == len(design.sizes) - 1) & (given != labels[0]) & (rng.random(len(race)) < 0.6), "", truth)
    return rows if design.truth == "unknown" else rows.assign(y_true=truth)


def _true_answers(design: Design, race, rng):
    if design.truth == "one answer":
        return np.zeros(len(race), int)
    share = np.full(len(race), 0.5)
    if design.truth == "mixed by group":
        share = np.array([0.9, 0.1, 0.5, 0.3] * 2)[race]
    first = rng.random(len(race)) < share
    return np.where(first, 0, rng.integers(1, design.labels, len(race)))


def _clusters(design: Design, race, rng):
    """Return the person of each row, and a number of each person that all its rows share (None without persons)."""
    if design.clusters == "none":
        return None, None
    step = {"nested": 4, "unequal": 4, "whole persons": 20, "spanning": 0}[design.clusters]
    owner = np.zeros(len(race), int)
    if design.clusters == "spanning":
        owner = rng.permutation(len(race)) % max(len(race) // 12, 1)
    else:
        places = np.concatenate([np.arange(size) for size in design.sizes])
        width = np.where(race == 0, step, 1 if design.clusters != "nested" else step)
        owner = race * 100_000 + places // width
    names, codes = np.unique(owner, return_inverse=True)
    return np.array([f"p{code}" for code in codes]), rng.random(len(names))[codes]


def _weights(design: Design, n: int, rng):
    weights = rng.lognormal(0, 1, n).round(4) + 0.01
    return np.where(rng.random(n) < 0.01, 100.0, 1.0) if design.weights == "heavy" else weights


def _given(model: str, design: Design, race, truth, labels, rng, shared):
    n = len(race)
    if model == "perfect":
        return truth
    if model == "constant":
        return np.full(n, labels[0])
    if model == "useless":
        return rng.choice(labels, n)
    other = labels[(np.searchsorted(labels, truth) + 1) % len(labels)]
    if model == "wrong":
        return other
    error = np.full(n, design.rate) + (design.effect * (race == 0) if model in ("unequal", "mixed up") else 0)
    if model == "mixed up":  # those of the last race better by as much, in one of the true answers alone
        error = error - design.effect * ((race == len(design.sizes) - 1) & (truth == labels[0]))
    luck = np.where(rng.random(n) < 0.8, shared, rng.random(n)) if shared is not None else rng.random(n)
    return np.where(luck < np.clip(error, 0, 1), other, truth)


# ---- the audit -----------------------------------------------------------------------------------------------------------------------


def audited(design: Design, answers: str = "", draws: int = DRAWS):
    """Return the audit of a design."""
    more = {
        "cluster": "person" if design.clusters != "none" else None,
        "weights": "weight" if design.weights != "none" else None,
        "pairs": ("tone=scene",) if design.pairs and design.weights == "none" else (),
        "attributes": design.attributes,
        "fail_on": design.gates,
        "ordered": "race" if design.ordered else None,
        **design.options,
    }
    if not design.gates:
        more.pop("require_conclusive", None)
    return audit(predictions=table(design, answers), draws=draws, **{name: value for name, value in more.items() if value})


_SHOWN = {
    "tolerance": (r"[Tt]olerance[^.]*{:g}", lambda value: 100 * value),
    "min_group_size": (r"(?<!\d){:g}\b[^.]*images|[Gg]roups?[^.]*(?<!\d){:g}\b", lambda value: value),
    "alpha": (r"{:g} ?%", lambda value: 100 * (1 - value)),
    "exclude": ("left out|exclu", lambda value: value),
}
"""Option that may differ from its default -> what a reader must see of it, and in which unit."""


def case_of(design: Design, done) -> Case:
    """Return all that an audit says."""
    facts = to_json(done.results)
    results = json.loads(facts)
    chosen = {name: _SHOWN[name] for name in design.options if name in _SHOWN}
    columns = [name for name in ("race", "gender") if name == "race" or design.gender] if design.attributes else []
    requires = bool(design.gates) and design.options.get("require_conclusive", False)
    return Case(
        results,
        page=render(done.results, facts),
        terminal=audit_lines(done.results),
        summary=summary_markdown(done.results),
        card=next(iter(model_cards(done.results).values())),
        junit=junit_xml(done.results, done.gate_policy) if design.gates else "",
        exit_code=done.exit_code,
        requires_conclusive=requires,
        columns=tuple(columns),
        attributes=tuple({name for each in results["audits"] for finding in each["findings"] for name in finding["attributes"]}),
        choices={name: shown.format(*[unit(design.options[name])] * shown.count("{:g}")) for name, (shown, unit) in chosen.items()},
    )


def change_case_of(before, after, *, same: bool) -> ChangeCase:
    """Return all that a comparison of two audits says."""
    done = compare(before, after)
    return ChangeCase(
        json.loads(comparison_file.to_json(done.facts)), render_comparisons(done.facts), comparison_lines(done.facts), same_answers=same
    )


def cases(design: Design):
    """Return the case of a design; of a design without gates also a comparison with another model, or with itself."""
    done = audited(design)
    yield case_of(design, done)
    if not design.gates and not design.options and design.seed % 3 == 0:
        same = design.seed % 2 == 0
        other = done if same else audited(replace(design, effect=0.0), "good")
        yield change_case_of(done, other, same=same or (design.model == "good" and design.effect == 0))
