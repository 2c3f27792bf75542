"""Loads what a request names: probes, gates, data, predictions; models are in `audit.api.models`."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audit.analyses import kinds
from audit.api.lookup import planned_questions
from audit.data.assemble import fingerprint
from audit.data.changed.joined import with_attributes
from audit.data.changed.subset import read_list, stratified, without
from audit.data.schema import alike
from audit.data.table import DataLocation
from audit.engine.external import PredictionPlan, leave_out, sliced_columns
from audit.errors import DataError, UsageError, nearest
from audit.gates.gate_set import GateSet
from audit.gates.parse import FLAG, GateQuestion, parse, refuse_ratio
from audit.measure.asked.questionnaire import questionnaire
from audit.options.audits import READING, AuditRequest
from audit.options.kinds import parse_order
from audit.options.schema import flag, is_given
from audit.predictions.bins import bin_dataset, parse_bins
from audit.predictions.default_claims import DefaultClaims, parse_outcome
from audit.predictions.join import parse_pairs
from audit.predictions.parts import is_parts, load_parts, parts_name
from audit.predictions.read import PredictionFile, load_predictions, with_all_answers
from audit.predictions.rows import ColumnOptions
from audit.predictions.units import check_nested
from audit.predictions.weights import with_weights
from audit.probe.check import mistakes, planned_claim
from audit.probe.file import call_own, own_files, place_of
from audit.probe.variants import by_attributes, with_harmless_corruptions, with_slices, without_inference
from audit.records.inputs import ATTRIBUTES_OF_PROBE_CHOSEN, ProbeSource, units_chosen
from audit.statistics.effects import with_orders
from audit.types import UNKNOWN, Dataset, Group, LoadOptions, Note, Probe
from reports.text.numbers import in_words
from strictio.files import sha256_of_file

LOG = logging.getLogger("audit")
LIST = "the list of excluded images"
"""Name in the report for identifiers that come from no file."""


def probes_of(request: AuditRequest) -> tuple[Probe, ...]:
    """The probes of a request, with its clusters and slices; raises UsageError if the probe or the what-if does not exist."""
    import probes

    chosen = [probes.get(probe) if isinstance(probe, str) else probe for probe in request.probe]
    if request.language:
        chosen = [_in_language(probe, request.language) for probe in chosen]
    chosen = [probe if probe.fitted is None or request.predictions else _fitted(probe, request) for probe in chosen]
    made_in_python = [probe for probe, spec in zip(chosen, request.probe, strict=True) if not isinstance(spec, str)]
    for mistake in (mistake for probe in made_in_python for mistake in mistakes(probe, prompted=not request.predictions)):
        raise mistake.error(None)
    if request.what_if:
        kinds.chosen_methods(request.what_if)
        if without_plan := [probe.name for probe in chosen if not probe.what_ifs]:
            raise UsageError(f"probe {without_plan[0]!r} plans no what-ifs", fix="leave --what-if out, or give the probe `what_ifs`")
        for plan, measurements in ((plan, probe.measurements) for probe in chosen for plan in probe.what_ifs):
            planned_claim(plan, measurements, place_of(plan.finding, request.probe))
    if request.no_inference:
        chosen = list(map(without_inference, chosen))
    if request.harmless:
        chosen = list(map(with_harmless_corruptions, chosen))
    chosen = [_by_attributes(probe, request) for probe in chosen]
    if request.cluster:
        chosen = [replace(probe, cluster=request.cluster) for probe in chosen]
    if request.weights:
        chosen = [replace(probe, weights=request.weights) for probe in chosen]
    ordered = dict(map(parse_order, request.ordered))
    return tuple(with_orders(with_slices(probe, request.by), ordered) for probe in chosen)


def _by_attributes(probe: Probe, request: AuditRequest) -> Probe:
    """A probe that compares by the chosen attributes, if any; raises UsageError if it compares no rate of a model's answers."""
    if request.attributes and not request.predictions and not any(measurement.claims for measurement in probe.measurements):
        what, why = f"--attributes cannot be used with the probe {probe.name!r}", "it compares no rate of answers between groups"
        raise UsageError(what, why=why, fix="leave it out")
    return by_attributes(probe, request.attributes or ())


def _in_language(probe: Probe, code: str) -> Probe:
    """A probe with its words in a language; raises UsageError if it has English words alone."""
    import probes

    if code == "en":
        return probe
    if probe.in_language is None:
        others = [name for name in probes.names() if probes.get(name).in_language is not None]
        what = f"the probe {probe.name!r} has no words in another language"
        raise UsageError(what, where=f"--language {code}", why="its words are English", fix=f"--probe {' or '.join(others)}")
    return probe.in_language(code)


def probe_sources(request: AuditRequest) -> dict[str, ProbeSource]:
    """Where each probe of a request is from, by its name."""
    import probes

    found = {}
    for spec in request.probe:
        if isinstance(spec, str):
            path = probes.source(spec)
            found[probes.get(spec).name] = ProbeSource("program" if probes.is_ours(spec) else "file", path.name, sha256_of_file(path))
        else:
            found[spec.name] = ProbeSource("python")
    return found


def _fitted(probe: Probe, request: AuditRequest) -> Probe:
    """A probe whose questions depend on the data, with those about this data set."""
    assert probe.fitted is not None  # noqa: S101  (checked by the caller)
    dataset = _loaded(probe, request)
    return replace(probe.fitted(dataset), load=lambda _: dataset)  # read once


def gates_of(request: AuditRequest, probes: Sequence[Probe], locked: Sequence[GateQuestion] = ()) -> GateSet:
    """The gates on answers of models; raises UsageError if one names no question of the probes, nor one of those in the plan lock."""
    served = filter(None, map(request.served_plan, request.model))
    if manner := next((plan.manner for plan in served if plan.manner), None):  # more questions: how often no answer is given
        probes = [questionnaire(probe, request.seed, manner).probe for probe in probes]
    asked = planned_questions(measurement for probe in probes for measurement in probe.measurements)
    gates = GateSet.of(request.fail_on, asked, locked)
    for probe in probes:
        own = {question.id for question in planned_questions(probe.measurements)}
        for resolved in gates.resolved:
            if resolved.finding is None or resolved.finding in own:
                refuse_ratio(resolved.gate, probe.cluster, probe.weights)
    return gates


def check_gates(request: AuditRequest) -> None:
    """Raise UsageError for a gate that cannot be parsed, and for a mean over replicates without `--as-replicates`."""
    if not request.as_replicates and (means := [gate for gate in request.fail_on if parse(gate).subject == "gap_mean"]):
        what = f"{FLAG} {means[0]!r} requires --as-replicates"
        raise UsageError(what, why="it is about the mean of several seeds or checkpoints", fix="gap[…] is about each model")


# ---- data ----------------------------------------------------------------------------------------------------------------------------


def dataset_of(probe: Probe, request: AuditRequest) -> Dataset:
    """The data for a probe: what the request names or contains, less its exclusions, sampled if it has a limit.

    Raises UsageError if a column that the probe needs is missing; DataError if the data cannot be read, or no image is left.
    """
    if probe.load is None:
        return _no_images(probe, request)
    dataset = _loaded(probe, request)
    if request.attributes_from:
        dataset = with_attributes(dataset, request.attributes_from, request.encoding)
    dataset = bin_dataset(dataset, tuple(map(parse_bins, request.bins)))
    if request.attributes:
        dataset = replace(dataset, notes=(*dataset.notes, Note(ATTRIBUTES_OF_PROBE_CHOSEN, {"attributes": request.attributes})))
    dataset = replace(dataset, notes=(*dataset.notes, *units_chosen(request.cluster, request.weights)))
    known = set(map(str, dataset.attributes.columns))
    needed_columns = [(name, "to slice by") for measurement in probe.measurements for claim in measurement.claims for name in claim.by]
    needed_columns += [(measurement.truth, "with the true answers") for measurement in probe.measurements if measurement.truth]
    needed_columns += [(one.only[0], f"that says which images {one.name} asks") for one in probe.measurements if one.only]
    needed_columns += [(name, "to pair images by") for pair in probe.paired for name in (pair.attribute, *pair.within, pair.cluster)]
    needed_columns += [(probe.cluster, "to tell clusters by")] if probe.cluster else []
    for name, purpose in needed_columns:
        if name not in known:
            where = place_of(name, request.probe)
            similar = [f"--column {name}={shlex.quote(other)}" for other in alike(name, known)]
            fix = similar[0] if similar else nearest(name, known)
            raise UsageError(f"no attribute {name!r} {purpose} in {dataset.name}", where=where, fix=fix)
    _check_groups(dataset, probe)
    if request.nested:
        _check_nested(dataset, probe.cluster, request.nested)
    if probe.weights:
        dataset = with_weights(dataset, probe.weights, [name for name, _ in needed_columns])
    if request.exclude:
        dataset = without(dataset, *_excluded(request.exclude))
        LOG.info("left out %s (%s)", in_words(dataset.exclusions[-1].count, "image"), dataset.exclusions[-1].reason)
    return stratified(dataset, request.limit, request.seed) if request.limit else dataset


def _loaded(probe: Probe, request: AuditRequest) -> Dataset:
    """The data in a request, or those that the probe's loader reads."""
    dataset: object = request.data
    if (loader := probe.load) is not None and not isinstance(request.data, Dataset):
        wanted = LoadOptions(_location(request), request.limit, request.seed)
        dataset = call_own(lambda: loader(wanted), own_files(request.probe), "its data cannot be loaded")
    if not isinstance(dataset, Dataset):
        what = f"the loader of probe {probe.name!r} gave a value of type {type(dataset).__name__}"
        raise UsageError(what, why="a Dataset is expected", fix="give data, or correct the probe's load")
    if len(dataset.images) == 0:
        raise DataError(f"the data of probe {probe.name!r} have no images", fix="give another --data")
    return dataset


def _no_images(probe: Probe, request: AuditRequest) -> Dataset:
    """The data set of a probe that needs no images; raises UsageError if the request has options for images."""
    names = [name for name in ("data", "limit", "exclude", "bins", "include_examples") if is_given(getattr(request, name))]
    if names:
        what = f"--{names[0].replace('_', '-')} cannot be used with the probe {probe.name!r}"
        raise UsageError(what, why="it looks at no image", fix="leave it out")
    return Dataset(
        probe.name, (), pd.DataFrame(index=pd.Index([], dtype="str")), {}, fingerprint(pd.DataFrame()), "no images", probe.licence
    )


def _check_groups(dataset: Dataset, probe: Probe) -> None:
    """Raise `DataError` if no attribute that the probe compares by has two groups: a gap of 0 would look like equal treatment."""
    compared = dict.fromkeys(name for measurement in probe.measurements for claim in measurement.claims for name in claim.by)
    groups = {name: set(dataset.attributes[name]) - {UNKNOWN} for name in compared}
    if groups and all(len(group) < 2 for group in groups.values()):
        name, levels = next(iter(groups.items()))
        raise DataError(
            f"{dataset.name} has {len(levels)} group{'' if len(levels) == 1 else 's'} in the column {name!r}",
            why=f"found {', '.join(map(repr, levels)) or 'missing values only'}; groups are compared with each other, so two are required",
            fix="give data that show at least two groups",
        )


def _location(request: AuditRequest) -> Any:
    options = {name: value for name in ("encoding", "image_root", "image_column") if (value := getattr(request, name)) is not None}
    if request.split:
        options["splits"] = request.split
    if request.column:
        options["columns"] = _columns(request)
    if not options:
        return request.data
    return DataLocation(request.data, **options) if isinstance(request.data, str) else DataLocation("", held=request.data, **options)


def _columns(request: AuditRequest) -> dict[str, str]:
    return {name.strip(): column for name, _, column in (text.partition("=") for text in request.column)}


def _check_nested(dataset: Dataset, cluster: str | None, nested: Group) -> None:
    attributes, codes = dataset.attributes, None
    if cluster in attributes:
        # An image with an unknown cluster is a cluster by itself.
        codes = np.where(attributes[cluster] == UNKNOWN, -1 - np.arange(len(attributes)), pd.factorize(attributes[cluster])[0])
    check_nested(codes, attributes, nested, dataset.name, lambda row: f"the row of {attributes.index[row]!r}")


def prediction_plan(request: AuditRequest, probes: Sequence[Probe]) -> PredictionPlan:
    """The questions for external predictions."""
    claims = DefaultClaims(
        tuple(map(parse_outcome, request.outcome)), request.depth or 2, tuple(map(parse_pairs, request.pairs)), _beside(request),
        request.cluster, request.score, dict(map(parse_order, request.ordered)),
    )  # fmt: skip
    return PredictionPlan(tuple(probes), claims, request.cluster, request.weights)


def predictions_of(request: AuditRequest, probes: Sequence[Probe]) -> list[PredictionFile]:
    """The external predictions of a request, less its exclusions, one entry per file (or data frame)."""
    wanted = ColumnOptions(
        request.attributes, request.cluster, independent=request.independent, weights=request.weights, slices=sliced_columns(probes),
        prediction=request.prediction_column, truth=request.truth_column, columns=_columns(request), encoding=request.encoding,
        bins=tuple(map(parse_bins, request.bins)),
        tags=request.tags, texts=request.texts, beside=_beside(request),
        changing=tuple(pair.attribute for pair in map(parse_pairs, request.pairs)),
        join=request.join, on=request.on, given=request.given_to_readers,
    )  # fmt: skip
    files = []
    parts = [source for source in request.predictions if isinstance(source, Path) and is_parts(source)]
    if parts:
        _check_parts(request, parts[0])
    for source in request.predictions:
        files.append(load_parts(source, wanted) if source in parts else load_predictions(source, wanted))
        wanted = replace(wanted, bins=files[0].bins)  # with several files the first determines the quantiles
    for file in files if request.name else ():
        if len({answers.model for answers in file.answers}) > 1:
            what = f"--name cannot be used with {file.name}"
            raise UsageError(what, why="it holds the answers of several models, which have names", fix="leave --name out")
    for name, answers in ((file.name, answer) for file in files for answer in file.answers):
        for gate in map(parse, request.fail_on):
            refuse_ratio(gate, answers.cluster, answers.weights)
        if request.nested:
            check_nested(answers.predictions.cluster, answers.predictions.attributes, request.nested, name, answers.row)
    if request.exclude:
        files = [leave_out(file, *_excluded(request.exclude)) for file in files]
    return with_all_answers(files) if len(files) > 1 else files


def _check_parts(request: AuditRequest, parts: Path) -> None:
    """Raise `UsageError` for options that need single rows: predictions in parts are counted while reading."""
    others = (
        ("--exclude", request.exclude), ("--nested", request.nested), ("--score", request.score), ("--column", request.column),
        ("other predictions", request.predictions[1:]),
    )  # fmt: skip
    for what, value in (*others, *((flag(name), getattr(request, name)) for name in READING)):
        if value:
            why = f"{parts_name(parts)} is read in parts, of which no row is kept"
            raise UsageError(f"{what} cannot be used with parts of predictions", why=why, fix="leave it out, or give one file")


def _beside(request: AuditRequest) -> Group:
    """The columns that say which rows are pairs, and which pairs belong together: they are attributes only if `attributes` names them."""
    within = [name for pair in map(parse_pairs, request.pairs) for name in pair.within]
    cluster = [request.cluster] if request.pairs and request.cluster else []
    return tuple(name for name in dict.fromkeys([*within, *cluster]) if name not in (request.attributes or ()))


def _excluded(exclude: Path | tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """The identifiers, and the name of the list."""
    return (exclude, LIST) if isinstance(exclude, tuple) else (read_list(exclude), exclude.name)
