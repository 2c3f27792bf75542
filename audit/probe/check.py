"""Validates a probe: types, names and prompts, before any image is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from audit.answers import answers_of
from audit.errors import UsageError, nearest
from audit.measure import kinds
from audit.naming import finding_id
from audit.plans import AnalysisPlan, WhatIfPlan
from audit.statistics.metrics import METRICS
from audit.types import (
    Better,
    Claim,
    LabelSet,
    Measurement,
    PairedClaim,
    Probe,
    PublishedTable,
    Retrieval,
    RowOptions,
    SpecificationPlan,
)

_SHOWN = 60


@dataclass(frozen=True)
class Mistake:
    """A mistake and its location."""

    what: str
    fix: str
    made_by: str
    """The class whose call is wrong."""
    value: Any
    """The current value."""
    part: str
    """The part of the probe, in words."""

    def error(self, where: str | None) -> UsageError:
        """The error for this mistake."""
        return UsageError(self.what, where=where or self.part, fix=self.fix)


Mistakes = Iterator[Mistake]


def mistakes(probe: Probe, *, prompted: bool = True) -> Mistakes:
    """Yield all mistakes in a probe, in reading order. External predictions need no prompts (`prompted`)."""
    part = f"probe {probe.name!r}"
    for name in ("name", "question", "source", "licence"):
        yield from _text(getattr(probe, name), name, "Probe", part)
    load: object = probe.load
    if not callable(load) and not (load is None and probe.analyses and not probe.measurements):
        yield Mistake(f"load is {_shown(load)}: expected a function of LoadOptions", "load=load", "Probe", load, part)
    for name in ("limits", "not_tested"):
        yield from _several(getattr(probe, name), str, name, "Probe", part)
    wanted = {
        "measurements": Measurement, "published": PublishedTable, "specifications": SpecificationPlan, "paired": PairedClaim,
        "what_ifs": WhatIfPlan, "analyses": AnalysisPlan,
        "without_inference": Measurement,
    }  # fmt: skip
    wrong = [mistake for name, kind in wanted.items() for mistake in _several(getattr(probe, name), kind, name, "Probe", part)]
    yield from wrong
    if wrong:
        return
    if not probe.measurements and not probe.analyses:
        fix = "measurements=(Measurement(…),), or analyses=(RankingPlan(…),)"
        yield Mistake("a probe without measurements and without analyses", fix, "Probe", probe.name, part)
    for measurement in (*probe.measurements, *probe.without_inference):
        yield from _of_measurement(measurement, prompted=prompted and _prompted(measurement))
    yield from _of_names(probe, part)


def _prompted(measurement: Measurement) -> bool:
    """Whether every label needs prompts."""
    return measurement.asked is None and measurement.options is None and measurement.retrieval is None and measurement.kind != "retrieved"


def _of_names(probe: Probe, part: str) -> Mistakes:
    """Yield names that do not fit together."""
    named = {measurement.name: measurement for measurement in probe.measurements}
    names = [measurement.name for measurement in probe.measurements]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield Mistake(f"two measurements are called {name!r}", "give each a name of its own", "Measurement", name, part)
    for pair in probe.paired:
        if pair.measurement not in names:
            what = f"a pair names the measurement {pair.measurement!r}"
            yield Mistake(what, nearest(pair.measurement, names), "PairedClaim", pair.measurement, part)
        elif pair.outcome is not None and pair.outcome not in named[pair.measurement].outcomes:
            fix = _outcomes(named[pair.measurement], str(pair.outcome))
            yield Mistake(f"a pair names an unknown outcome {pair.outcome!r}", fix, "PairedClaim", pair.outcome, part)
    for plan in probe.specifications:
        if not 0 <= plan.default < len(plan.specifications):
            what = f"the default of a plan is number {plan.default} of {len(plan.specifications)} specifications"
            yield Mistake(what, "default counts from 0", "SpecificationPlan", plan.default, part)


def _of_measurement(measurement: Measurement, *, prompted: bool) -> Mistakes:
    part = f"measurement {measurement.name!r}"
    yield from _text(measurement.name, "name", "Measurement", part)
    label_set: object = measurement.label_set
    if not isinstance(label_set, LabelSet):
        what = f"label_set is {_shown(label_set)}: expected a LabelSet"
        yield Mistake(what, "LabelSet(name, labels, prompts)", "Measurement", measurement.name, part)
        return
    labels = list(_of_labels(label_set, part, prompted=prompted))
    yield from labels
    if measurement.truth is not None:
        yield from _text(measurement.truth, "truth", "Measurement", part)
    if measurement.kind not in kinds():
        what = f"measurement {measurement.name!r} is of an unknown kind {measurement.kind!r}"
        yield Mistake(what, nearest(str(measurement.kind), kinds()), "Measurement", measurement.kind, part)
    yield from _of_row_options(measurement, part)
    yield from _of_retrieval(measurement, part)
    claims = list(_several(measurement.claims, Claim, "claims", "Measurement", part))
    yield from claims
    if not labels:
        yield from _of_outcomes(measurement, part)
    if claims or labels:
        return
    seen: set[str] = set()
    for claim in measurement.claims:
        wrong = list(_of_claim(claim, measurement, part))
        yield from wrong
        if not wrong and (name := finding_id(measurement.name, claim)) in seen:
            yield Mistake(f"the claim {name!r} is made twice", "leave one out", "Claim", claim.metric, part)
        elif not wrong:
            seen.add(name)


def _of_row_options(measurement: Measurement, part: str) -> Mistakes:
    options: object = measurement.options
    if (options is None) != (measurement.kind != "row_options"):
        fix = 'kind="row_options" and options=RowOptions(columns={label: column}) go together'
        yield Mistake(f"kind is {measurement.kind!r} and options are {_shown(options)}", fix, "Measurement", measurement.name, part)
    elif options is not None and not isinstance(options, RowOptions):
        yield Mistake(
            f"options are {_shown(options)}: expected RowOptions", "options=RowOptions(columns={…})", "Measurement", measurement.name, part
        )
    elif isinstance(options, RowOptions):
        labels, named = set(measurement.label_set.labels), {*options.columns, *([options.others] if options.others else [])}
        if named != labels or (options.others and len(options.columns) != 1):
            what = f"options for {', '.join(map(repr, sorted(named)))}, and the labels are {', '.join(map(repr, sorted(labels)))}"
            yield Mistake(what, "name a column for each label", "RowOptions", measurement.name, part)


def _of_retrieval(measurement: Measurement, part: str) -> Mistakes:
    retrieval: object = measurement.retrieval
    if (retrieval is None) != (measurement.kind != "retrieved") or not isinstance(retrieval, Retrieval | None):
        what = f"kind is {measurement.kind!r} and retrieval is {_shown(retrieval)}"
        yield Mistake(what, "make the measurement with RankingPlan.planned(k, name)", "Measurement", measurement.name, part)
    if not isinstance(retrieval, Retrieval):
        return
    if not isinstance(retrieval.k, int) or retrieval.k < 1:
        yield Mistake(f"k is {_shown(retrieval.k)}: expected a whole number from 1", "k=10", "Retrieval", retrieval.k, part)
    if retrieval.gallery is None and len(retrieval.queries) != 1:
        what = f"{len(retrieval.queries)} queries rank the same images, and one planned question is about one ranking"
        yield Mistake(what, "planned(k, name, query='…'), or gallery='…' in the RankingPlan", "Retrieval", measurement.name, part)
    if retrieval.gallery is not None and (crossed := [claim for claim in measurement.claims if len(claim.by) > 1]):
        what = f"groups are compared inside galleries by {' x '.join(crossed[0].by)}"
        yield Mistake(what, "compare by one attribute", "Claim", crossed[0].metric, part)


def _of_labels(labels: LabelSet, part: str, *, prompted: bool) -> Mistakes:
    yield from (wrong := list(_several(labels.labels, str, "labels", "LabelSet", part)))
    if wrong:
        return
    if len(labels.labels) < 2:
        yield Mistake("a label set needs two labels", "add what else the answer may be", "LabelSet", labels.name, part)
    for label in dict.fromkeys(label for label in labels.labels if labels.labels.count(label) > 1):
        yield Mistake(f"the label {label!r} stands twice", "name each once", "LabelSet", label, part)
    mappings: tuple[tuple[str, Any], ...] = (("prompts", labels.prompts), ("answers", labels.answers))
    for name, kept in mappings:
        if not isinstance(kept, Mapping):
            yield Mistake(f"{name} are {_shown(kept)}: expected a mapping by label", f"{name}={{label: …}}", "LabelSet", labels.name, part)
            return
        for label in kept:
            if label not in labels.labels:
                yield Mistake(f"{name} for {label!r}, which is no label", nearest(str(label), labels.labels), "LabelSet", label, part)
    yield from _of_each_label(labels, part, prompted=prompted)
    if labels.combine not in ("argmax", "sum"):
        yield Mistake(f"combine is {_shown(labels.combine)}", "'argmax' or 'sum'", "LabelSet", labels.combine, part)


def _of_each_label(labels: LabelSet, part: str, *, prompted: bool) -> Mistakes:
    for label in labels.labels:
        if prompted and not labels.prompts.get(label):
            fix = f"prompts={{{label!r}: ('a photo of a {label}',), …}}"
            yield Mistake(f"the label {label!r} has no prompts", fix, "LabelSet", label, part)
        elif prompted:
            yield from _several(labels.prompts[label], str, f"the prompts of {label!r}", "LabelSet", part)
        if labels.answers and not isinstance(labels.answers.get(label), str):
            yield Mistake(f"the label {label!r} has no answer", "give every label one, or none", "LabelSet", label, part)


def _of_outcomes(measurement: Measurement, part: str) -> Mistakes:
    outcomes: Any = measurement.outcomes
    if not isinstance(outcomes, Mapping):
        what = f"outcomes are {_shown(outcomes)}: expected a mapping"
        yield Mistake(what, "outcomes={'harm': ('thief', 'criminal')}", "Measurement", measurement.name, part)
        return
    known = answers_of(measurement.label_set)
    for name, answers in outcomes.items():
        yield from (wrong := list(_several(answers, str, f"the outcome {name!r}", "Measurement", part)))
        for answer in () if wrong else answers:
            if answer not in known:
                what = f"the outcome {name!r} has an answer {answer!r}, which cannot be given"
                yield Mistake(what, nearest(answer, known), "Measurement", answer, part)


def _of_claim(claim: Claim, measurement: Measurement, part: str) -> Mistakes:
    yield from (wrong := list(_several(claim.by, str, "by", "Claim", part)))
    if not wrong and not claim.by:
        yield Mistake("a claim by no attribute", "by=('gender',)", "Claim", claim.metric, part)
    metric = METRICS.get(claim.metric) if isinstance(claim.metric, str) else None
    if metric is None:
        yield Mistake(f"unknown metric {_shown(claim.metric)}", nearest(str(claim.metric), METRICS), "Claim", claim.metric, part)
        return
    if metric.needs_truth and measurement.truth is None:
        what = f"{claim.metric} needs true answers, and measurement {measurement.name!r} has no truth"
        yield Mistake(what, "truth='…' names the attribute that holds them", "Claim", claim.metric, part)
    if metric.needs_outcome and claim.outcome is None:
        what = f"{claim.metric} needs an outcome"
        yield Mistake(what, _outcomes(measurement, ""), "Claim", claim.metric, part)
    elif not metric.needs_outcome and claim.outcome is not None:
        yield Mistake(f"{claim.metric} has no outcome", f"leave {claim.outcome!r} out", "Claim", claim.outcome, part)
    elif claim.outcome is not None and claim.outcome not in measurement.outcomes:
        yield Mistake(f"unknown outcome {claim.outcome!r}", _outcomes(measurement, str(claim.outcome)), "Claim", claim.outcome, part)
    for name, low, high, expected in (("tolerance", 0.0, 1.0, "0 ≤ x < 1"), ("ratio_tolerance", 1.0, float("inf"), "a number above 1")):
        value = getattr(claim, name)
        if value is not None and not (isinstance(value, int | float) and low <= value < high):
            yield Mistake(f"invalid {name} {_shown(value)}: expected {expected}", "change it, or leave it out", "Claim", value, part)
    if claim.better is not None and claim.better not in get_args(Better):
        yield Mistake(f"better is {_shown(claim.better)}", f"one of {', '.join(get_args(Better))}", "Claim", claim.better, part)


def _outcomes(measurement: Measurement, name: str) -> str:
    known = list(map(str, measurement.outcomes))
    return nearest(name, known) if known else "outcomes={'harm': ('thief', 'criminal')} in the Measurement"


# ---- types ---------------------------------------------------------------------------------------------------------------------------


def _text(value: object, name: str, made_by: str, part: str) -> Mistakes:
    if not isinstance(value, str) or not value.strip():
        yield Mistake(f"{name} is {_shown(value)}: expected text", f"{name}='…'", made_by, value, part)


def _several(value: object, kind: type, name: str, made_by: str, part: str) -> Mistakes:
    """Yield mistakes in a tuple of values of one kind."""
    expected = f"expected a tuple of {'strings' if kind is str else f'{kind.__name__} values'}"
    if isinstance(value, tuple):
        for element in value:
            if not isinstance(element, kind) or element == "":
                yield Mistake(f"{name}: {_shown(element)} in it, {expected}", "correct it", made_by, element, part)
                return
        return
    one = f"{kind.__name__}(…)" if kind is not str else _shown(value)
    fix = f"a comma makes a tuple of one: ({one},)" if isinstance(value, kind) else "write it in round brackets"
    yield Mistake(f"{name}: {_shown(value)}, {expected}", fix, made_by, value, part)


def _shown(value: object) -> str:
    if isinstance(value, str | int | float | list | None) and len(repr(value)) <= _SHOWN:
        return repr(value)
    return f"a value of type {type(value).__name__}" if not isinstance(value, str) else f"{value[:_SHOWN]!r}…"


def planned_claim(plan: WhatIfPlan, measurements: Sequence[Measurement], where: str | None = None) -> tuple[Measurement, Claim]:
    """The measurement and the claim of a plan; raises UsageError, located at `where`, if there is no such claim by one attribute."""
    known = {finding_id(measurement.name, claim): (measurement, claim) for measurement in measurements for claim in measurement.claims}
    if plan.finding not in known or len(known[plan.finding][1].by) != 1:
        raise UsageError(
            f"a what-if is planned for {plan.finding!r}, which is not a finding by one attribute", where=where,
            fix="name one in the probe file",
        )  # fmt: skip
    return known[plan.finding]
