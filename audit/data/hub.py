"""Data sets of the Hugging Face hub, and folders in its formats: Parquet shards and the output of `save_to_disk`."""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audit.data.assemble import Origin
from audit.data.hf_datasets import checked_table, from_datasets
from audit.data.schema import Schema
from audit.data.shards import choose_shards, choose_split, load_parquet
from audit.errors import AuditError, DataError, MachineError, UnsafeError, UsageError
from audit.types import Dataset, Note
from strictio.hub import ask_hub, offline
from strictio.tables.arrow_stream import check_saved
from strictio.tables.parquet_child import first_line

LOG = logging.getLogger(__name__)
SPELLING = "hf:ORG/NAME[@REVISION][:CONFIG[/SPLIT]]"
_LOCATION = re.compile(
    r"hf:(?P<id>\w[\w.-]{0,95}(/\w[\w.-]{0,95})?)(@(?P<revision>\w[\w./-]{0,254}))?"
    r"(:(?P<config>[\w.-]{0,255})(/(?P<split>\w{1,255}))?)?"
)
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class HubSource:
    """Location of a data set on the hub."""

    id: str
    config: str | None = None
    split: str | None = None
    licence: str = "not stated"
    revision: str | None = None

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        part = f":{self.config or ''}{f'/{self.split}' if self.split else ''}" if self.config or self.split else ""
        return f"hf:{self.id}{revision}{part}"


def parse_location(location: str, default: HubSource | None) -> HubSource:
    """Parse a ``hf:`` location; configuration and split default to those of `default` if it is the same data set.

    Examples
    --------
    >>> fairface = HubSource("HuggingFaceM4/FairFace", "0.25", "validation", "CC BY 4.0")
    >>> str(parse_location("hf:HuggingFaceM4/FairFace:1.25", fairface))
    'hf:HuggingFaceM4/FairFace:1.25/validation'
    >>> str(parse_location("hf:org/other@v2", fairface))
    'hf:org/other@v2'
    """
    match = _LOCATION.fullmatch(location)
    if match is None:
        fix = "for example: --data hf:HuggingFaceM4/FairFace:1.25"
        raise UsageError(f"malformed location {location!r}", why=f"expected {SPELLING}", fix=fix)
    base = default if default is not None and match["id"] == default.id else HubSource(match["id"])
    return replace(base, **{name: match[name] for name in ("config", "split", "revision") if match[name]})


# ---- the hub -------------------------------------------------------------------------------------------------------------------------


def load_hub(source: HubSource, schema: Schema, *, name: str, licence: str) -> Dataset:
    """Load a data set of the hub, downloaded once into the cache of `datasets`; access is anonymous.

    Raises MachineError within seconds if the hub does not answer and the data set is not cached; DataError if data set, configuration or
    split is unknown or does not follow the schema; UnsafeError if reading it would run its code.
    """
    if Path(source.id).exists():  # `datasets` would silently read the folder instead
        fix = f"for the folder: --data ./{source.id}; for the hub, start in another folder"
        raise UsageError(f"a local folder is called {source.id!r}", fix=fix)
    answer = ask_hub()
    import datasets  # noqa: F401  # in parallel with the request to the hub

    fault = answer()
    data, split = _fetched(source, fault)
    cached = replace(source, split=split, revision=_revision(data) or source.revision)
    if fault:
        LOG.info("data set %s read from the local cache (%s)", cached, fault)
        if re.fullmatch(r"[0-9a-f]{40}", source.revision or "") and cached.revision != source.revision:
            raise _unreachable(source, f"{fault}; the local cache holds revision {cached.revision}")
    return from_datasets(data, schema, Origin(name, str(cached), licence), _cache_roots())


def _fetched(source: HubSource, fault: str) -> tuple[Any, str]:
    """The data of one split, and its name: from the hub, or after a `fault` from the local cache."""
    try:
        with offline(bool(fault)):
            return _from_cache(source, fault) if fault else _download(source)
    except Exception as error:
        translated = None if isinstance(error, AuditError) else _as_audit_error(error, source)
        if translated is None:
            raise
        raise translated from error


def _download(source: HubSource) -> tuple[Any, str]:
    """Download one split. `load_dataset` would download every split: nine times as much, for the validation split of FairFace."""
    import datasets
    from datasets.data_files import DataFilesDict

    builder = datasets.load_dataset_builder(source.id, source.config, revision=source.revision, token=False, cache_dir=_cache(source))
    files = builder.config.data_files
    split = choose_split(list(files), source.split, str(source))
    builder.config.data_files = DataFilesDict({split: files[split]})
    builder.download_and_prepare(verification_mode="no_checks")  # the published checksums cover all splits
    return builder.as_dataset(split), split


def _from_cache(source: HubSource, fault: str) -> tuple[Any, str]:
    """Load one split from the cache of an earlier run, or of another program that uses `datasets`."""
    import datasets

    for folder in (_cache(source), None):
        try:
            splits = datasets.load_dataset(source.id, source.config, token=False, cache_dir=folder)
        except (OSError, ValueError):  # not in this cache
            continue
        split = choose_split(list(splits), source.split, str(source))
        return splits[split], split
    raise _unreachable(source, fault)


def _cache(source: HubSource) -> str:
    """The cache folder for one split alone, separate from the cache in which other programs expect all splits."""
    import datasets

    return str(Path(datasets.config.HF_DATASETS_CACHE) / f"split-{source.split or 'default'}")


def _unreachable(source: HubSource, why: str) -> MachineError:
    what = f"cannot get the data set {source.id!r} (licence {source.licence}): the hub is out of reach and no copy is in the local cache"
    fix = "--data FOLDER works without a hub: a label table (CSV or Parquet) beside its image folders, or Parquet shards of the hub"
    return MachineError(what, where=str(source), why=why, fix=fix)


def _as_audit_error(error: Exception, source: HubSource) -> AuditError | None:
    """Translate a failure of `datasets` to an error for users; None if it is unknown."""
    from datasets.exceptions import DatasetGenerationError

    why = first_line(error)
    if isinstance(error, RuntimeError) and "scripts are no longer supported" in why:
        fix = "give a Parquet copy: --data FOLDER"
        return UnsafeError(f"refused the data set {source.id!r}", why="reading it means running its code", fix=fix)
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return MachineError(f"cannot store the data set {source.id!r}", why=why, fix="make room, or set HF_HOME to a folder with room")
    # The HTTP client is httpx under changing names, so transport errors are recognised by the name of their base class.
    transport = any(kind.__name__ == "TransportError" for kind in type(error).__mro__)
    if transport or isinstance(error, ConnectionError | TimeoutError):
        return _unreachable(source, f"the connection broke: {why}")
    if isinstance(error, FileNotFoundError | ValueError | DatasetGenerationError):
        return DataError(f"cannot read the data set {source.id!r} of the hub", where=str(source), why=why, fix=f"--data {SPELLING}")
    return None


def _revision(data: Any) -> str | None:
    """The commit that the data came from, which `datasets` uses as the name of its cache folder."""
    names = [Path(file["filename"]).parent.name for file in data.cache_files]
    return next((name for name in names if re.fullmatch(r"[0-9a-f]{40}", name)), None)


def _cache_roots() -> list[Path]:
    """The folders in which `datasets` and the hub client store files; images stored as paths must lie there."""
    import datasets
    from huggingface_hub import constants

    return [Path(datasets.config.HF_DATASETS_CACHE), Path(constants.HF_HUB_CACHE), Path(datasets.config.HF_CACHE_HOME)]


# ---- folders -------------------------------------------------------------------------------------------------------------------------


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote a folder."""
    return (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file()


def load_local(folder: Path, schema: Schema, *, name: str, licence: str, wanted: HubSource | None = None) -> Dataset:
    """Load a folder in a format of the hub: Parquet shards, or the output of `save_to_disk`.

    If a folder contains several configurations or splits, those of `wanted` are read; raises DataError if the choice is ambiguous.
    """
    split = wanted.split if wanted else None
    if is_saved(folder):
        data, part = _saved(folder, split)
        return from_datasets(data, schema, Origin(name, f"a folder saved by datasets{part}", licence), [folder])
    shards = choose_shards(folder, wanted.config if wanted else None, split)
    read = tuple(shard.relative_to(folder).as_posix() for shard in shards[:3])
    notes = (Note("parquet_files", {"count": len(shards), "files": (*read, *["..."][: len(shards) - 3])}),)
    return load_parquet(shards, folder, schema, Origin(name, "Parquet files in the schema of the hub", licence, notes))


def saved_table(folder: Path, without: Sequence[str]) -> tuple[Any, Mapping[str, Any]]:
    """The columns of a folder that `save_to_disk` wrote, but those of the kinds `without`; and what `datasets` says about each."""
    data, _ = _saved(folder, None)
    described = data.features.to_dict()
    names = [name for name, kind in described.items() if not (isinstance(kind, dict) and kind.get("_type") in without)]
    return checked_table(data, names), described


def _saved(folder: Path, split: str | None) -> tuple[Any, str]:
    import datasets
    import pyarrow as pa

    check_saved(folder)
    try:
        data = datasets.load_from_disk(str(folder))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, pa.ArrowException) as error:
        raise DataError(f"cannot read {str(folder)!r} as a folder of datasets", why=first_line(error), fix="save it again") from error
    if not isinstance(data, datasets.DatasetDict):
        return data, ""
    chosen = choose_split(list(data), split, str(folder))
    return data[chosen], f", split {chosen}"
