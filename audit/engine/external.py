"""Audits external predictions, with default claims or a probe. No model is loaded."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import TYPE_CHECKING

from audit.analyses import kinds
from audit.answers import answers_of
from audit.data.assemble import fingerprint
from audit.data.changed.subset import listed_in
from audit.engine.probe_audit import AnsweredProbe, AuditedProbe, build_result
from audit.errors import DataError, UsageError
from audit.naming import finding_id, natural_order
from audit.plans import WritingPlan
from audit.predictions.bins import binned_levels
from audit.predictions.default_claims import DefaultClaims, default_claims, with_outcomes_of_tags
from audit.predictions.parts import NOT_OF_ROWS
from audit.predictions.read import PLAIN, PredictionFile
from audit.predictions.rows import MeasurementAnswers, exclude
from audit.predictions.texts import TEXTS
from audit.records.inputs import DECLARED_INDEPENDENT, UNDECLARED_UNITS, columns_not_compared, units_chosen
from audit.stages import Stages, silent
from audit.statistics.effects import check_effects, with_orders
from audit.types import NO_ANSWER, UNKNOWN, Dataset, Group, Measurement, ModelRecord, Note, Predictions, Probe, Settings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from jaxtyping import Bool

LOG = logging.getLogger("audit")
KIND = "external predictions"


@dataclass(frozen=True)
class PredictionPlan:
    """How to audit the predictions."""

    probes: tuple[Probe, ...] = ()
    """Their measurements and claims are matched to the answers by name; empty: the default claims."""
    claims: DefaultClaims = field(default_factory=DefaultClaims)
    cluster: str | None = None
    """Name of the column of clusters, for the report."""
    weights: str | None = None
    """Name of the column of weights, for the report."""


def sliced_columns(probes: Sequence[Probe]) -> Group:
    """The attributes that probes name: in claims, as truth, in pairs, as clusters and for words."""
    names = [name for probe in probes for m in probe.measurements for claim in m.claims for name in claim.by]
    names += [m.truth for probe in probes for m in probe.measurements if m.truth]
    names += [name for probe in probes for plan in probe.analyses if isinstance(plan, WritingPlan) for name in plan.by]
    names += [name for probe in probes for pair in probe.paired for name in (pair.attribute, *pair.within, pair.cluster)]
    return tuple(dict.fromkeys(names))


def leave_out(file: PredictionFile, listed: Sequence[str], name: str) -> PredictionFile:
    """Remove the rows of the listed identifiers; they are counted by group, and unknown identifiers are counted too.

    Raises DataError if no row has a listed identifier, or no row is left.
    """
    kept, not_found = zip(*(exclude(answers.predictions, listed) for answers in file.answers), strict=True)
    unknown = sorted(set.intersection(*not_found))
    if len(unknown) == len(set(listed)):
        raise DataError(
            f"{name} lists no row of {file.name}", why=f"{unknown[0]!r} is not found", fix="list identifiers as the file has them"
        )
    if not all(len(predictions.y_pred) for predictions in kept):
        raise DataError(f"{name} lists every row of {file.name}", fix="give a shorter list")
    notes = (Note("unknown_rows", {"count": len(unknown), "total": len(set(listed)), "list": name}),) if unknown else ()
    answers = []
    for answer, predictions in zip(file.answers, kept, strict=True):
        gone = answer.predictions.attributes[answer.predictions.attributes.index.isin(listed)]
        more = (listed_in(name, listed, gone),) if len(gone) else ()
        left = ~answer.predictions.attributes.index.isin(listed)
        tags = None if answer.tags is None else replace(answer.tags, kept=answer.tags.kept[left])
        texts = None if answer.texts is None else {name: tuple(compress(column, left)) for name, column in answer.texts.items()}
        answers.append(replace(answer, predictions=predictions, exclusions=(*answer.exclusions, *more), tags=tags, texts=texts))
    return replace(file, answers=tuple(answers), notes=(*file.notes, *notes))


@dataclass(frozen=True)
class AnswersPlan:
    """The answers of one model to one probe, with the questions about them."""

    answered: AnsweredProbe
    probe: Probe
    """With the claims that the answers have columns for."""
    tags: Mapping[str, Bool[np.ndarray, "n"]] | None
    """label -> whether each row has it; None where rows have one answer each."""
    texts: Mapping[str, Sequence[str]] | None
    """name -> the text of each row; None where no texts were recorded."""


def plan_answers(file: PredictionFile, plan: PredictionPlan) -> tuple[AnswersPlan, ...]:
    """Match every model of a file with every probe, or with the default claims; raises UsageError if no claim applies to the file."""
    by_model: dict[tuple[str, str | None], list[MeasurementAnswers]] = {}
    for answers in file.answers:
        by_model.setdefault((answers.model, answers.probe), []).append(answers)
    planned = [
        _planned(replace(file, answers=tuple(together)), probe, plan)
        for (_, made_by), together in by_model.items()
        for probe in plan.probes or (None,)
        if probe is None or made_by in (None, probe.name)
    ]
    if not planned:
        made = ", ".join(sorted({answers.probe or "" for answers in file.answers}))
        raise UsageError(f"{file.name} holds no answers to the probe {plan.probes[0].name!r}", why=f"its answers are to: {made}")
    return tuple(planned)


def _planned(file: PredictionFile, probe: Probe | None, plan: PredictionPlan) -> AnswersPlan:
    """Match the answers of one model with a probe, or with the default claims."""
    matched = _asked(probe, file.answers, plan.claims, file.name)
    if file.model is not None and probe is None:
        matched = replace(matched, probe=_limits_of_log(matched.probe, file.model))
    if matched.largest().count is not None:
        matched = replace(matched, probe=replace(matched.probe, not_tested=(*matched.probe.not_tested, *NOT_OF_ROWS)))
    if columns := columns_not_compared(file.notes):
        entry = f"differences by {', '.join(columns)}: columns of the file that were not compared"
        matched = replace(matched, probe=replace(matched.probe, not_tested=(entry, *matched.probe.not_tested)))
    answered = _answered(file, matched, plan)
    check_effects(matched.probe.measurements, answered.dataset.levels, file.name)
    tags = next((answers.tags for answers in file.answers if answers.tags is not None), None)
    kept = None if tags is None else dict(zip(tags.labels, tags.kept.T, strict=True))
    return AnswersPlan(answered, matched.probe, kept, file.answers[0].texts)


def audit_answers(plan: AnswersPlan, settings: Settings, stages: Stages = silent) -> AuditedProbe:
    """Answer every question about the answers of one model."""
    answered = plan.answered
    LOG.info("model %s  probe %s  rows %d", answered.model.name, plan.probe.name, answered.used)
    for left_out in answered.dataset.exclusions:
        LOG.info("left out %d rows (%s)", left_out.count, left_out.reason)
    done = build_result(answered, plan.probe, settings, stages)
    counted = replace(plan.probe, cluster=answered.cluster, weights=answered.weights)
    analysed = kinds.analyse_external(kinds.ExternalInputs(counted, answered.dataset, answered.attributes, settings, plan.tags, plan.texts))
    return replace(done, result=done.result.with_analyses(analysed))


@dataclass(frozen=True)
class _Asked:
    probe: Probe
    predictions: Mapping[str, Predictions]
    notes: tuple[Note, ...]

    def largest(self) -> Predictions:
        """The predictions for the most rows: some measurements may have left out rows."""
        return max(self.predictions.values(), key=lambda predictions: len(predictions.attributes))


def _answered(file: PredictionFile, matched: _Asked, plan: PredictionPlan) -> AnsweredProbe:
    attributes = matched.largest().attributes
    frames = [predictions.attributes for predictions in matched.predictions.values()]
    binned = binned_levels(file.notes)
    levels = {
        str(name): _levels([frame[name] for frame in frames if name in frame], binned.get(str(name), ()))
        for name in attributes.columns
        if name not in plan.claims.beside
    }
    record = ModelRecord(
        name=file.answers[0].model, kind=KIND, fingerprint=file.sha256, sha256=file.sha256, parameters=0, dimensions=0, dtype="none",
        score_rule="softmax", logit_scale=1.0, logit_bias=None, architecture="not known", preprocessing="not known", tokenizer="not known",
        notes=(Note("no_model_loaded", {"file": file.name}),),
    )  # fmt: skip
    cluster, weights = (next(filter(None, (getattr(answers, name) for answers in file.answers)), None) for name in ("cluster", "weights"))
    cluster = plan.cluster or matched.probe.cluster or cluster
    notes = [note for note in file.notes if cluster is None or note.code not in (UNDECLARED_UNITS, DECLARED_INDEPENDENT)]
    named = attributes.index.has_duplicates or _numbered(attributes.index)
    dataset = Dataset(
        name=file.name, images=(), attributes=attributes, levels=levels, licence="not stated",
        source=file.source or f"the table {file.name}",
        notes=(*notes, *matched.notes, *units_chosen(plan.cluster, plan.weights)),
        numbered=any(answers.numbered for answers in file.answers), limited=file.limited,
        # Row numbers say nothing about a row: without identifiers the order of the rows must not matter.
        fingerprint=fingerprint(attributes.set_axis([""] * len(attributes)) if named else attributes, matched.largest().count),
        # Questions may have different numbers of rows; the longest list of exclusions is that of the file.
        exclusions=max((answers.exclusions for answers in file.answers), key=lambda left_out: sum(gone.count for gone in left_out)),
    )  # fmt: skip
    measured = {measurement.name: matched.predictions[measurement.name] for measurement in matched.probe.measurements}
    return AnsweredProbe(
        record, dataset, attributes, measured, cluster=cluster, weights=plan.weights or weights,
    )  # fmt: skip


def _numbered(index: pd.Index) -> bool:
    """Whether these are row numbers, in any order."""
    rows = len(index)
    return "1" in index and str(rows) in index and set(index) == set(map(str, range(1, rows + 1)))


def _levels(columns: Sequence[pd.Series], known: Group) -> Group:
    occurring = {str(level) for column in columns for level in column.unique()}
    return (*known, *natural_order(occurring - {UNKNOWN, *known}), *({UNKNOWN} & occurring))


def _asked(probe: Probe | None, together: Sequence[MeasurementAnswers], claims: DefaultClaims, source: str) -> _Asked:
    if together[0].texts is not None:
        if claims.outcomes or claims.pairs:
            what = f"{source} holds texts: --{'outcome' if claims.outcomes else 'pairs'} cannot be used with them"
            raise UsageError(what, why="a text is not one of several answers", fix="leave it out")
        rows = together[0].predictions
        return _Asked(kinds.probe_of_texts(probe, together[0].texts, rows.attributes, source), {TEXTS: rows}, ())
    return _by_default_claims(together, claims, source) if probe is None else _by_probe(probe, together, source)


def _by_default_claims(together: Sequence[MeasurementAnswers], claims: DefaultClaims, source: str) -> _Asked:
    together = with_outcomes_of_tags(together, claims, source)
    if claims.scores:
        _check_scores(together, claims.scores, source)
    probe, notes = default_claims(together, claims, source)
    probe = with_orders(probe, claims.ordered)
    if claims.outcomes:
        named = tuple(f"{outcome.name} = {', '.join(outcome.labels)}" for outcome in claims.outcomes)
        notes.append(Note("outcomes_chosen", {"outcomes": named}))
    if claims.depth != DefaultClaims.depth:
        notes.append(Note("depth_chosen", {"depth": claims.depth, "default": DefaultClaims.depth}))
    return _Asked(probe, {answers.measurement: answers.predictions for answers in together}, tuple(notes))


def _check_scores(together: Sequence[MeasurementAnswers], wanted: Group, source: str) -> None:
    """Raise UsageError for a label of ``--score`` that has no column of scores."""
    known = {label for answers in together if answers.predictions.scores.shape[1] for label in answers.predictions.labels}
    if unknown := [label for label in wanted if label not in known]:
        columns = ", ".join(f"score:{label}" for label in sorted(known)) or "none"
        why = f"its columns of scores: {columns}"
        raise UsageError(f"{source} has no scores of {unknown[0]!r}", where="--score", why=why, fix="name labels with a column score:LABEL")


def _limits_of_log(probe: Probe, model: str) -> Probe:
    """The default questions about a log, which names the model that answered."""
    known = f"The log says that the model is {model}; whether its images and prompts suit the question was not checked."
    return replace(probe, limits=(known, *probe.limits[1:]))


# ---- by a probe ----------------------------------------------------------------------------------------------------------------------


def _by_probe(probe: Probe, together: Sequence[MeasurementAnswers], source: str) -> _Asked:
    """Match a probe's measurements to the answers by name; claims for which the file has no column are skipped, with a note."""
    measurements, offered = [], {}
    notes: list[Note] = []
    for answers in together:
        measurement = _named(probe, answers, source)
        predictions = _offered(measurement, answers.predictions, source)
        if probe.cluster not in (None, answers.cluster):  # the probe itself names the attribute whose levels are independent
            predictions = replace(predictions, cluster=None, cluster_names=None)
        columns = set(predictions.attributes.columns)
        claims = tuple(claim for claim in measurement.claims if columns.issuperset(claim.by))
        missing = sorted({name for claim in measurement.claims for name in claim.by} - columns)
        notes += [Note("claims_without_column", {"measurement": measurement.name, "attributes": tuple(missing)})] if missing else []
        if claims:
            measurements.append(replace(measurement, claims=claims))
            offered[measurement.name] = predictions
    if not measurements:
        wanted = sorted({name for m in probe.measurements for claim in m.claims for name in claim.by})
        raise UsageError(f"{source} has no column that the probe {probe.name!r} slices by", fix=f"name the columns {', '.join(wanted)}")
    absent = [m.name for m in probe.measurements if m.name not in offered]
    notes += [Note("measurements_without_answers", {"measurements": tuple(absent)})] if absent else []
    notes += [Note("no_rankings")] if probe.analyses else []
    ids = {finding_id(m.name, claim) for m in measurements for claim in m.claims}
    published = tuple(
        table for table in probe.published if all(cell is None or cell.finding in ids for row in table.rows for cell in row.ours)
    )
    candidates = (claim for claim in probe.paired if claim.measurement in offered)
    paired = tuple(claim for claim in candidates if claim.outcome is not None or offered[claim.measurement].y_true is not None)
    return _Asked(
        replace(probe, measurements=tuple(measurements), specifications=(), paired=paired, published=published), offered, tuple(notes)
    )


def _named(probe: Probe, answers: MeasurementAnswers, source: str) -> Measurement:
    """The measurement of the answers: by its name, or the only one that offers all of them."""
    by_name = {measurement.name: measurement for measurement in probe.measurements}
    if answers.measurement in by_name:
        return by_name[answers.measurement]
    answered = {*answers.predictions.y_pred} - {*NO_ANSWER}
    fitting = [m for m in probe.measurements if answered <= set(answers_of(m.label_set))]
    if answers.measurement == PLAIN and len(fitting) == 1:
        return fitting[0]
    raise UsageError(
        f"{source}: which measurement of the probe {probe.name!r} are the answers {answers.measurement!r} to?",
        why=f"they fit {', '.join(m.name for m in fitting)}" if fitting else f"none offers {', '.join(map(repr, sorted(answered)[:5]))}",
        fix=f"name the column of answers after it: {', '.join(f'y_pred:{name}' for name in by_name)}",
    )


def _offered(measurement: Measurement, predictions: Predictions, source: str) -> Predictions:
    """The predictions in the measurement's terms: its answers in their order, and the attribute with the truth."""
    y_true = predictions.y_true
    if measurement.truth is None:
        y_true = None
    elif y_true is None:
        if measurement.truth not in predictions.attributes:
            raise DataError(
                f"{source} has neither a column y_true nor {measurement.truth!r}", why=f"{measurement.name} needs the true answer"
            )
        y_true = predictions.attributes[measurement.truth].to_numpy(dtype=object)
    offered = answers_of(measurement.label_set)
    answered = {*predictions.y_pred}
    offered = (
        *offered,
        *(answer for answer in NO_ANSWER if answer in answered and answer not in offered),
    )  # always possible for a generative model
    unexpected = sorted((answered | ({*y_true} if y_true is not None else set())) - {*offered, UNKNOWN})
    if unexpected:
        raise DataError(
            f"{source}: {unexpected[0]!r} is not an answer of the measurement {measurement.name!r}",
            why=f"its answers are {', '.join(offered)}",
        )
    return replace(predictions, answers=offered, y_true=y_true)
