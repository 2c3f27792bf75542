"""What an audit leaves behind: a directory of files, each old or new, never half-written."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from audit.errors import MachineError, UsageError
from audit.records.results import AuditResult
from audit.types import Predictions
from contrastive import files

if TYPE_CHECKING:
    import pyarrow as pa
    from jaxtyping import Float

STATUS = "STATUS"
AUDIT, COMPARISON = "results.json", "comparison.json"
"""The facts, by which the folder of an audit is told from that of a comparison."""
OWN_COLUMNS = ("model", "probe", "measurement", "id", "y_true", "y_pred", "scores")


def default_directory(models: Iterable[str], probes: Iterable[str], now: dt.datetime) -> Path:
    """Return ``audits/<model>--<probe>--<UTC>``."""
    names = [_slug(list(models)), _slug(list(probes)), now.strftime("%Y%m%dT%H%M%SZ")]
    return Path("audits") / "--".join(names)


def _slug(names: list[str]) -> str:
    """Return one name made safe for a folder, or how many there are."""
    if len(names) > 1:
        return f"{len(names)}-together"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", names[0]).strip("-.") or "unnamed"


def check_writable(directory: Path, facts: str = AUDIT) -> None:
    """Raise before any work if the directory cannot take the results, whose `facts` are those of an audit or of a comparison.

    UsageError if the path is a file, or a folder with other things in it: a comparison does not go into an audit, whose STATUS it would
    replace; MachineError if nothing can be written there.
    """
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"--out {str(directory)!r} is a file", fix="name a folder")
    if directory.is_dir() and any(directory.iterdir()) and not (directory / STATUS).is_file():
        raise UsageError(
            f"--out {str(directory)!r} holds other things", why="it has no STATUS of an earlier audit", fix="name a new folder"
        )
    other = COMPARISON if facts == AUDIT else AUDIT
    if (directory / other).is_file():
        kind = "a comparison" if other == COMPARISON else "an audit"
        raise UsageError(f"--out {str(directory)!r} holds {kind}", why=f"there is a {other}", fix="name a new folder")
    existing = next(parent for parent in (directory.absolute(), *directory.absolute().parents) if parent.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise MachineError(f"cannot write to --out {str(directory)!r}", fix="choose a folder that you may write to")


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` only when it is complete and on disk; MachineError if it cannot: the old file stays."""
    try:
        with files.replacing(path) as file:
            yield file
    except OSError as error:
        fix = "choose a folder that you may write to, or make room; the old file is intact"
        raise MachineError(f"cannot write {path.name}", why=error.strerror, fix=fix) from error


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with replacing(path) as file:
        file.write(text.encode())


def write_predictions(path: Path, audited: Iterable[tuple[AuditResult, Mapping[str, Predictions]]]) -> None:
    """Write one row for each image and measurement: identifiers, attributes, clusters, weights, y_true, y_pred, scores. No pixels.

    In the file's metadata stand the labels that the scores belong to (``vlm_audit.labels``), which answers they stand for where they are
    none themselves (``vlm_audit.answers``), which column says what images belong together
    (``vlm_audit.cluster``, by probe) and how much each counts for (``vlm_audit.weights``, by probe), and the probes whose images have no
    identifiers but their place (``vlm_audit.numbered``).
    """
    import pyarrow.parquet as pq

    table = predictions_table(audited)
    with replacing(path) as file:
        pq.write_table(table, file, compression="zstd")


def predictions_table(audited: Iterable[tuple[AuditResult, Mapping[str, Predictions]]]) -> pa.Table:
    """Return the table that `write_predictions` writes."""
    import pyarrow as pa

    pairs = [(result, name, prediction) for result, predictions in audited for name, prediction in predictions.items()]
    labels = {f"{result.probe.name}/{name}": list(prediction.labels) for result, name, prediction in pairs}
    clusters = {result.probe.name: column for result, _, prediction in pairs if (column := cluster_column(result, prediction))}
    weights = {result.probe.name: column_of(result.data.weights) for result, _, _ in pairs if result.data.weights is not None}
    numbered = sorted({result.probe.name for result, _, _ in pairs if result.data.numbered})
    table = pa.concat_tables([_table(*pair) for pair in pairs], promote_options="default")
    others = {"answers": _answers(pairs), "cluster": clusters, "weights": weights, "numbered": numbered}
    facts = {"labels": labels, **{name: value for name, value in others.items() if value}}
    return table.replace_schema_metadata({f"vlm_audit.{key}": json.dumps(value, sort_keys=True) for key, value in facts.items()})


def _answers(pairs: Iterable[tuple[AuditResult, str, Predictions]]) -> dict[str, dict[str, Any]]:
    """Return what labels stand for, by probe and measurement; nothing where every label is an answer."""
    asked = {
        f"{result.probe.name}/{name}": record
        for result, name, predictions in pairs
        if predictions.scores.shape[1] and predictions.labels != predictions.answers
        for record in result.measurements
        if record.name == name
    }
    return {key: {"answers": dict(each.answers), "combine": each.combine} for key, each in asked.items() if each.answers}


def cluster_column(result: AuditResult, predictions: Predictions) -> str | None:
    """Return the column that says which images belong together; None where each image is its own sampling unit, or nothing says it."""
    name = result.data.cluster
    if name is None or predictions.cluster is None:
        return None
    if name in predictions.attributes:
        return column_of(name)
    if predictions.cluster_names is None:
        return None
    # Identifiers that occur more than once may be the clusters themselves.
    ids, names = predictions.attributes.index, predictions.cluster_names.take(predictions.cluster)
    return "id" if bool((ids.array == names).all()) else column_of(name)


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
    column = cluster_column(result, predictions)
    if column not in {None, *columns} and predictions.cluster is not None and predictions.cluster_names is not None:
        columns[str(column)] = predictions.cluster_names.take(predictions.cluster)
    if result.data.weights is not None and predictions.weight is not None:
        columns[column_of(result.data.weights)] = [repr(weight) for weight in predictions.weight.tolist()]
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    return table.append_column("scores", _lists(predictions.scores))


def _lists(scores: Float[np.ndarray, "n k"]) -> pa.Array:
    """Return each row of scores as a list."""
    import pyarrow as pa

    n, k = scores.shape
    return pa.ListArray.from_arrays(pa.array(np.arange(n + 1) * k, pa.int32()), pa.array(scores.ravel(), pa.float32()))


def column_of(attribute: object) -> str:
    """Return the column of an attribute; one that is called like a column of ours gets another name."""
    return f"{attribute}_attribute" if attribute in OWN_COLUMNS else str(attribute)


def scrub(argument: str) -> str:
    """Return a command-line argument without the machine's folders: of an absolute path only the last part.

    Examples
    --------
    >>> scrub("runs/emoji/ckpt.pt"), scrub("/home/me/ckpt.pt"), scrub("--data=/data/faces")
    ('runs/emoji/ckpt.pt', 'ckpt.pt', '--data=faces')
    """
    return re.sub(r"(^|=)([/~].*)$", lambda match: match[1] + match[2].rstrip("/").rsplit("/", 1)[-1], argument)
