"""Predictions as a table that `--predictions` accepts: one row for each image and measurement."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from audit.output.directory import replacing
from audit.predictions.bins import binned_levels
from audit.predictions.own_tables import OWN_COLUMNS, SCORE, column_of
from audit.records.inputs import UNDECLARED_UNITS, DataRecord, ProbeRecord
from audit.results import AuditResult
from audit.types import Predictions
from strictio.folders import Folder

if TYPE_CHECKING:
    import pyarrow as pa


def write_predictions(
    path: str | Path, audited: Iterable[tuple[AuditResult, Mapping[str, Predictions]]], folder: Folder | None = None
) -> None:
    """Write one row for each image and measurement: identifiers, attributes, clusters, weights, y_true, y_pred, and a column
    ``score:LABEL`` for each label, null if a measurement has no such label. No pixels.

    The file's metadata have the labels of each measurement (``vlm_audit.labels``), their answers if these differ from the labels
    (``vlm_audit.answers``), the column that says which images belong together
    (``vlm_audit.cluster``, by probe), the column of weights (``vlm_audit.weights``, by probe), the groups of numbers from
    low to high (``vlm_audit.bins``, by probe and column), the probes whose images are identified only by their position
    (``vlm_audit.numbered``), the columns by which rows may belong together if that was not declared (``vlm_audit.units``, by probe), and
    a copy of the records of data and probe in the results, one for each audit (``vlm_audit.stated``).
    """
    import pyarrow.parquet as pq

    table = predictions_table(audited)
    with replacing(path, folder) as file:
        pq.write_table(table, file, compression="zstd")


def predictions_table(audited: Iterable[tuple[AuditResult, Mapping[str, Predictions]]]) -> pa.Table:
    """Return the table that `write_predictions` writes."""
    import pyarrow as pa

    every = list(audited)
    pairs = [(result, name, prediction) for result, predictions in every for name, prediction in predictions.items()]
    if not pairs:  # probes that only have analyses
        return pa.table({name: pa.array([], pa.string()) for name in OWN_COLUMNS})
    labels = {f"{result.probe.name}/{name}": list(prediction.labels) for result, name, prediction in pairs}
    clusters = {result.probe.name: column for result, _, prediction in pairs if (column := cluster_column(result.data.cluster, prediction))}
    weights = {result.probe.name: column_of(result.data.weights) for result, _, _ in pairs if result.data.weights is not None}
    binned = {result.probe.name: cut for result, _, _ in pairs if (cut := _binned(result))}
    numbered = sorted({result.probe.name for result, _, _ in pairs if result.data.numbered})
    table = pa.concat_tables([_table(*pair) for pair in pairs], promote_options="default")
    units = {result.probe.name: dict(note.values) for result, _, _ in pairs for note in result.data.notes if note.code == UNDECLARED_UNITS}
    stated = [_stated(result) for result, _ in every]
    others = {
        "stated": stated,
        "answers": _answers(pairs),
        "cluster": clusters,
        "weights": weights,
        "bins": binned,
        "numbered": numbered,
        "units": units,
    }
    facts = {"labels": labels, **{name: value for name, value in others.items() if value}}
    return table.replace_schema_metadata({f"vlm_audit.{key}": json.dumps(value, sort_keys=True) for key, value in facts.items()})


def _stated(result: AuditResult) -> dict[str, Any]:
    """What an audit says about its data and its probe: `verify` compares it with the results."""
    data, probe = (
        TypeAdapter(kind).dump_python(record, mode="json") for kind, record in ((DataRecord, result.data), (ProbeRecord, result.probe))
    )
    return {"model": result.model.name, "data": data, "probe": probe}


def _answers(pairs: Iterable[tuple[AuditResult, str, Predictions]]) -> dict[str, dict[str, Any]]:
    """The answers of labels, by probe and measurement; empty if every label is an answer."""
    records = {
        f"{result.probe.name}/{name}": record
        for result, name, predictions in pairs
        if predictions.scores.shape[1] and predictions.labels != predictions.answers
        for record in result.measurements
        if record.name == name
    }
    return {key: {"answers": dict(record.answers), "combine": record.combine} for key, record in records.items() if record.answers}


def _binned(result: AuditResult) -> dict[str, list[str]]:
    return {column_of(name): list(levels) for name, levels in binned_levels(result.data.notes).items()}


def cluster_column(name: str | None, predictions: Predictions) -> str | None:
    """The column that says which images belong together; None if images are independent, or there is no such column."""
    if name is None or predictions.cluster is None:
        return None
    if name in predictions.attributes:
        return column_of(name)
    if predictions.cluster_names is None:
        return None
    # Repeated identifiers may be the clusters themselves.
    ids, names = predictions.attributes.index, predictions.cluster_names.take(predictions.cluster)
    return "id" if bool((ids.array == names).all()) else column_of(name)


def unit_columns(predictions: Predictions, cluster: str | None, weights: str | None) -> dict[str, Any]:
    """The columns of clusters and weights, unless an attribute or the identifier has them."""
    columns: dict[str, Any] = {}
    column = cluster_column(cluster, predictions)
    known = {None, "id", *map(column_of, predictions.attributes.columns)}
    if column not in known and predictions.cluster is not None and predictions.cluster_names is not None:
        columns[str(column)] = predictions.cluster_names.take(predictions.cluster)
    if weights is not None and predictions.weight is not None:
        columns[column_of(weights)] = [repr(weight) for weight in predictions.weight.tolist()]
    return columns


def _table(result: AuditResult, measurement: str, predictions: Predictions) -> pa.Table:
    import pyarrow as pa

    n = len(predictions.y_pred)
    columns: dict[str, Any] = {
        "model": pa.repeat(result.model.name, n),
        "probe": pa.repeat(result.probe.name, n),
        "measurement": pa.repeat(measurement, n),
        "id": predictions.attributes.index,
        **{column_of(name): values for name, values in predictions.attributes.items()},
        "y_true": pa.nulls(n) if predictions.y_true is None else predictions.y_true,
        "y_pred": predictions.y_pred,
    }
    columns |= unit_columns(predictions, result.data.cluster, result.data.weights)
    table = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    labels = predictions.labels if predictions.scores.shape[1] else ()
    scores = {SCORE + label: pa.array(predictions.scores[:, position], pa.float32()) for position, label in enumerate(labels)}
    return pa.table({**table, **scores})
