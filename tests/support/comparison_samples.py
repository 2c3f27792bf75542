"""Finished audits with planted answers, made without a model or an image."""

import hashlib
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd

from audit.comparison.engine import compare
from audit.comparison.sides import FinishedAudit as Compared
from audit.comparison.within import pair_models
from audit.engine import AuditedProbe
from audit.output.predictions import write_predictions
from audit.records.base import Timing
from audit.records.comparison import SCHEMA_VERSION as COMPARISON_SCHEMA
from audit.records.comparison import Comparisons, Side
from audit.records.inputs import DataRecord, ProbeRecord
from audit.replicates import replicates
from audit.results import SCHEMA_VERSION, AuditResult, Finding, MeasurementRecord, Results, to_json
from audit.statistics.findings import decide_verdicts, findings
from audit.types import Claim, Exclusion, LabelSet, Measurement, ModelRecord, Note, Predictions, Probe, Settings

LABELS = ("cat", "dog", "bird")
GROUPS = ("a", "b", "c")
SETTINGS, TIMING = Settings(draws=199), Timing("2026-01-02T12:00:00+00:00", 1.0)


def model(name, step=None, run=None, fingerprint=None):
    digest = hashlib.sha256(f"{name}/{step}".encode()).hexdigest()
    return ModelRecord(
        name=name, kind="planted", fingerprint=fingerprint or digest, sha256=digest, parameters=1, dimensions=3, dtype="float32",
        score_rule="softmax", logit_scale=100.0, logit_bias=None, architecture="none", preprocessing="none", tokenizer="none",
        data_card="Planted by the test.", step=step, run=run,
    )  # fmt: skip


def measurement(prompts="a {}", claims=None):
    return Measurement(
        name="animal", question="Which animal?",
        label_set=LabelSet("animals", LABELS, {label: (prompts.format(label),) for label in LABELS}),
        preset="plain v1", truth="animal", outcomes={"cat": ("cat",)},
        claims=claims or (
            Claim("accuracy", ("group",)), Claim("selection_rate", ("group",), "cat"), Claim("true_positive_rate", ("group",), "cat"),
            Claim("precision", ("group",), "cat", primary=False), Claim("accuracy", ("group", "size"), primary=False),
        ),
    )  # fmt: skip


def probe(name="zoo", asked=None):
    return Probe(
        name=name, question="Are all groups told apart equally well?", load=lambda options: None, measurements=(asked or measurement(),),
        source="the test", licence="none", limits=("Nothing is real.",), not_tested=("everything else",),
    )  # fmt: skip


def attributes(n_each=120):
    n = n_each * len(GROUPS)
    sizes, animals = np.tile(["small", "large"], n // 2), np.tile(LABELS, n // len(LABELS))
    index = pd.Index([f"{i:04d}" for i in range(n)], name="id")
    return pd.DataFrame({"group": np.repeat(GROUPS, n_each), "size": sizes, "animal": animals}, index=index, dtype="str")


def answers(rows, wrong):
    """Every image right but the first `wrong[group]` of each group, which are called the next animal."""
    y_true = rows["animal"].to_numpy(object)
    y_pred = y_true.copy()
    following = dict(zip(LABELS, (*LABELS[1:], LABELS[0]), strict=True))
    for group, count in wrong.items():
        for place in np.flatnonzero(rows["group"] == group)[:count]:
            y_pred[place] = following[y_true[place]]
    scores = np.array([[0.8 if label == answer else 0.1 for label in LABELS] for answer in y_pred], np.float32)
    return Predictions(LABELS, LABELS, scores, y_pred.astype(str), y_true.astype(str), rows, np.full(len(rows), 0.7, np.float32))


def result(record, wrong, *, rows=None, asked=None, name="zoo", settings=SETTINGS, limited=False, fingerprint="4" * 64, left_out=0):
    """The part of an audit that a comparison reads; what stands beside its verdicts costs more than all of it."""
    rows, asked = attributes() if rows is None else rows, asked or measurement()
    predictions = answers(rows, wrong)
    levels = {"group": GROUPS, "size": ("small", "large"), "animal": LABELS}
    found, verdict = decide_verdicts(findings(asked, predictions, levels, settings), settings, limited=limited)
    data = DataRecord(
        name="the zoo", source="made by the test", licence="none", fingerprint=fingerprint, listed=len(rows) + left_out, used=len(rows),
        limited=limited, groups={column: rows[column].value_counts().to_dict() for column in levels},
        exclusions=(Exclusion(Note.of("truncated"), left_out, {}),) if left_out else (), conversions={}, notes=(),
    )  # fmt: skip
    told = probe(name, asked)
    audited = AuditResult(
        model=record, probe=ProbeRecord(told.name, told.question, told.source, told.licence, told.limits, told.not_tested), data=data,
        measurements=(asked_record(asked, predictions),),
        findings=tuple(map(Finding.of, found)), paired=(), specifications=(), published=(), verdict=verdict,
        warnings=(),
    )  # fmt: skip
    return AuditedProbe(audited, {"animal": predictions})


def asked_record(asked, predictions):
    return MeasurementRecord(
        name=asked.name, question=asked.question, preset=asked.preset, labels=asked.label_set.labels, prompts=asked.label_set.prompts,
        answers={}, combine="argmax", truth=asked.truth, outcomes=asked.outcomes, near_tie_margin=0.01, near_ties=0.0, mean_margin=0.7,
        answer_counts={label: int((predictions.y_pred == label).sum()) for label in LABELS},
    )  # fmt: skip


def results(*audited, settings=SETTINGS, dtype="float32"):
    environment = {"device": "cpu", "dtype": dtype}
    audits = tuple(each.result for each in audited)
    return Results(SCHEMA_VERSION, "complete", "vlm-audit test", ("test",), settings, environment, audits, TIMING)


def write(directory, *audited, settings=SETTINGS, status="complete", dtype="float32"):
    """Write what an audit leaves behind, as far as a comparison reads it."""
    directory.mkdir(parents=True)
    (directory / "results.json").write_text(to_json(results(*audited, settings=settings, dtype=dtype)))
    write_predictions(directory / "predictions.parquet", [(each.result, each.predictions) for each in audited])
    (directory / "STATUS").write_text(f"{status}\n")
    return directory


def audit(directory, wrong, *, record=None, settings=SETTINGS, **planted):
    """Write one audit of one planted model."""
    record = record or model(f"{directory.name}/ckpt.pt")
    return write(directory, result(record, wrong, settings=settings, **planted), settings=settings)


def facts(*sides, settings=SETTINGS, **how):
    """Return the facts of a comparison of audits in memory: (name, audited) or (name, audited, sha256 of its results)."""
    found = compare([in_memory(*side) for side in sides], settings, **how)
    first = found.sides[0]
    return Comparisons(
        schema_version=COMPARISON_SCHEMA, status="complete", tool="vlm-audit test", command=("python -m audit.compare", "x", "y z"),
        settings=settings, family=found.family, sides=tuple(each.side for each in found.sides),
        probes=tuple(first.audits[probe].probe for probe in dict.fromkeys(comparison.probe for comparison in found.comparisons)),
        comparisons=found.comparisons, series=found.series, notes=found.notes, environment={"numpy": "2", "python": "3"},
        timing=TIMING,
    )  # fmt: skip


def in_memory(directory, audited, settings=SETTINGS):
    """Return a finished audit as `audit.comparison.sides.read` would."""
    found, name = audited.result, audited.result.probe.name
    side = Side(found.model.name, found.model, directory, "0" * 64, TIMING.created, {name: found.verdict})
    predictions = audited.predictions["animal"]
    rows = predictions.attributes.assign(y_true=predictions.y_true, y_pred=predictions.y_pred).astype("category")
    return Compared(side, results(audited, settings=settings), {name: found}, {(name, "animal"): rows})


@cache
def skewed_and_plain():
    return facts(
        ("skewed", result(model("skewed/ckpt.pt"), {"b": 60})), ("plain", result(model("plain/ckpt.pt"), {"a": 3, "b": 6, "c": 2}))
    )


@cache
def forty_groups():
    """Return a comparison of one question by forty groups: the 21st changed as b of `skewed_and_plain` did, the others as a did."""
    facts = skewed_and_plain()
    change = next(each for each in facts.comparisons[0].changes if each.id == "animal/accuracy/group")
    still, moved = (next(cell for cell in change.by_group if cell.before.group == (name,)) for name in "ab")

    def named(cell, i):
        before, after = (replace(rate, group=(f"g{i:02d}",), value=0.5 + i / 100) for rate in (cell.before, cell.after))
        return replace(cell, before=before, after=after)

    cells = tuple(named(moved if i == 20 else still, i) for i in range(40))
    before, after = (replace(ends, lowest=("g00",), highest=("g39",)) for ends in (change.gap.before, change.gap.after))
    many = replace(change, by_group=cells, gap=replace(change.gap, before=before, after=after))
    return replace(facts, comparisons=(replace(facts.comparisons[0], changes=(many,)),))


@cache
def four_steps():
    steps = {0: 0, 100: 14, 200: 60, 300: 58}
    return facts(*((f"s{step}", result(model(f"run/{step}.pt", step, "r" * 64), {"b": wrong, "c": 2})) for step, wrong in steps.items()))


@cache
def three_models():
    sides = (("x", {"b": 60}), ("y", {"a": 3, "b": 6, "c": 2}), ("z", {"b": 60, "c": 60}))
    return facts(*((name, result(model(f"{name}/ckpt.pt"), wrong)) for name, wrong in sides))


def all_right(steps=(0, 10, 20)):
    """Checkpoints that answer everything right: no gap, no change, nothing to scale a chart by."""
    return facts(*((f"s{step}", result(model(f"run/{step}.pt", step, "r" * 64), {})) for step in steps))


def several_models(wrong, **planted):
    """Return the results of one run of several models, each compared with the first; `wrong` is name -> group -> wrong answers."""
    audited = [result(model(name), errors, **planted) for name, errors in wrong.items()]
    paired = pair_models(lambda: [in_memory("run", each) for each in audited], SETTINGS)
    return replace(results(*audited), paired_models=paired), audited


@cache
def two_models():
    """Return the results of one run of two models, compared with each other and, as nobody would, taken for replicates as well."""
    found, audited = several_models({"skewed.pt": {"b": 60}, "plain.pt": {"b": 6, "c": 3}})
    return replace(found, replicates=replicates(audited, SETTINGS))
