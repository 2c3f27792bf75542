"""Captioned images: their sources, their order, and their batches."""

from __future__ import annotations

import os
from collections.abc import Sequence
from glob import glob, has_magic
from pathlib import Path

from contrastive.config import DataConfig, InterventionConfig
from contrastive.data.counterfactual import with_counterfactuals
from contrastive.data.emoji import MISNAMED_WOMEN, load_emoji
from contrastive.data.intervention import completed, intervene
from contrastive.data.repaired import repair
from contrastive.data.shapes import ShapeImages
from contrastive.data.source import CaptionedImages, TrainingDataError
from strictio.errors import UsageError, nearest
from strictio.tables import EXPECTED, TEXT, ending_of

__all__ = ["CaptionedImages", "TrainingDataError", "open_source"]


def open_source(config: DataConfig) -> CaptionedImages:
    """Open ``data.train``: a built-in dataset, a file, a folder, or ``hf:ORG/NAME`` on the hub; see `settings.DataConfig`.

    The captions are those after ``data.fix_text``, ``data.skew``, ``data.intervention`` and ``data.counterfactual``, in this order.

    Raises `UsageError` for any other name, for a skew on data that do not support it, and if the emoji packages are missing;
    `TrainingDataError` if the data cannot be read or do not fit.
    """
    intervention = config.intervention
    changes = [name for name in ("intervention", "counterfactual", "leave_out") if getattr(config, name)]
    if changes and "://" in config.train:
        raise UsageError(f"data.{changes[0]} cannot change shards at URLs", why="all captions are read first", fix="use local files")
    source = repair(_open(config)) if config.fix_text else _open(config)
    if config.skew == "misnamed-women":
        intervention = completed(intervention or InterventionConfig(), MISNAMED_WOMEN)
    source = intervene(source, intervention) if intervention else source
    return with_counterfactuals(source, config.counterfactual) if config.counterfactual else source


def _open(config: DataConfig) -> CaptionedImages:
    if config.train == "emoji":
        _refuse_for_tables(config)
        return load_emoji(config.withhold)
    if config.skew != "none":
        raise UsageError(f"data.skew = {config.skew!r} is for the emoji only", fix='set data.skew = "none" or data.train = "emoji"')
    if config.withhold:
        raise UsageError("data.withhold is for the emoji only", fix='leave it out or set data.train = "emoji"')
    if config.train != "shapes":
        return _open_stored(config)
    _refuse_for_tables(config)
    return ShapeImages()


def _refuse_for_tables(config: DataConfig) -> None:
    """Raise `UsageError` if settings for tables are used with other data."""
    for name, value in (("images", config.images), ("separator", config.separator), ("encoding", config.encoding)):
        if value is not None:
            why = f"data.train is {config.train!r}"
            raise UsageError(f"data.{name} is for a table of images and captions", why=why, fix="leave it out")


def _open_stored(config: DataConfig) -> CaptionedImages:
    """Open a dataset on the hub, a folder (recognised by its content) or a file (recognised by its suffix)."""
    from contrastive.data.remote import RemoteShards, several_names, shard_names
    from contrastive.data.saved import load_hub, load_parquet, load_saved  # imports Arrow, which built-in datasets do not need
    from contrastive.data.table import load_folder, load_table
    from contrastive.data.tars import TarShards

    name, columns, unit = config.train, (config.image_column, config.caption_column), config.captions or "file"
    path, ending = Path(name), Path(name).suffix.lower()
    if ending_of(path) in TEXT and not path.is_dir():
        return load_table(path, config)
    _refuse_for_tables(config)
    if "://" in name:
        counts = [len(shard_names(part)) for part in several_names(name)]
        return RemoteShards(name.partition("?")[0].rpartition("/")[2], shard_names(name), int(config.spool_gib * 2**30), unit, counts)
    if not os.path.exists(name) and (parts := [_shard_files(shard_names(part), name) for part in several_names(name)]) and all(parts):  # noqa: PTH110  # `Path.exists` raises if a list of shards is longer than a file name may be
        title = "::".join(Path(part).name for part in name.split("::"))
        return TarShards(title, [shard for part in parts for shard in part], unit, list(map(len, parts)))
    if name.startswith("hf:"):
        return load_hub(name, *columns, others=config.columns)
    if path.is_dir():
        if any((path / part).is_file() for part in ("state.json", "dataset_dict.json")):  # written by save_to_disk
            return load_saved(path, *columns)
        if tars := sorted(file for file in path.iterdir() if file.suffix.lower() == ".tar" and file.is_file()):
            return TarShards(path.resolve().name, tars, unit)
        files = sorted((*path.glob("*.parquet"), *path.glob("*/*.parquet")))
        return load_parquet(path, files, *columns) if files else load_folder(path, unit)
    if ending == ".tar":
        return TarShards(path.name, [path], unit)
    if ending == ".parquet":
        return load_parquet(path, [path], *columns)
    why = f"it is neither a folder, nor a table ({EXPECTED}), nor a .tar file, nor a built-in set, nor hf:ORG/NAME"
    raise UsageError(f"data.train cannot be {name!r}", why=why, fix=nearest(name, ("emoji", "shapes")))


def _shard_files(names: Sequence[str], original: str) -> list[Path]:
    """Expand patterns (``*``, ``?``, ``[``) to tar files, in order; empty if a single file was named.

    Raises `UsageError` if no file matches a pattern.
    """
    if not all(name.lower().endswith(".tar") for name in names) or (names == [original] and not has_magic(original)):
        return []
    shards: list[Path] = []
    for name in names:
        files = sorted(map(Path, glob(name))) if has_magic(name) else [Path(name)]  # noqa: PTH207  # a pattern may begin anywhere
        if not files:
            raise UsageError(
                f"data.train: no file fits {name!r}", fix="name shards as in shards/*.tar, shards/{000..127}.tar or {000,003}.tar"
            )
        shards += files
    return shards
