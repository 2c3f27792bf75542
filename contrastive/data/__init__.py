"""Captioned images: where they come from, in which order they are seen, and how they become batches."""

from __future__ import annotations

from pathlib import Path

from contrastive.config import DataConfig
from contrastive.data.source import CaptionedImages, TrainingDataError
from contrastive.errors import UsageError, nearest

__all__ = ["CaptionedImages", "TrainingDataError", "open_source"]

_BUILT_IN = ("emoji", "shapes")
_FILES = (".csv", ".jsonl", ".tar", ".parquet")


def open_source(config: DataConfig) -> CaptionedImages:
    """Return what ``data.train`` names: a built-in set, a file, a folder, or ``hf:ORG/NAME`` on the hub; see `settings.DataConfig`.

    Raises `UsageError` if it is none of these, if a skew is asked of data that have none, or if the emoji packages are missing;
    `TrainingDataError` if the data cannot be read or do not fit.
    """
    if config.train == "emoji":
        from contrastive.data.emoji import load_emoji

        return load_emoji(config.skew, config.withhold)
    if config.skew != "none":
        raise UsageError(f"data.skew = {config.skew!r} is for the emoji only", fix='set data.skew = "none" or data.train = "emoji"')
    if config.withhold:
        raise UsageError("data.withhold is for the emoji only", fix='leave it out or set data.train = "emoji"')
    if config.train == "shapes":
        from contrastive.data.shapes import ShapeImages

        return ShapeImages()
    if config.train.startswith("hf:"):
        from contrastive.data.saved import load_hub

        return load_hub(config.train, config.image_column, config.caption_column)
    path = Path(config.train)
    if path.is_dir():
        return _open_folder(path, config.image_column, config.caption_column)
    if path.suffix.lower() in _FILES:
        return _open_file(path, config.image_column, config.caption_column)
    why = f"it is neither a folder, nor a {', '.join(_FILES)} file, nor a built-in set, nor hf:ORG/NAME"
    raise UsageError(f"data.train cannot be {config.train!r}", why=why, fix=nearest(config.train, _BUILT_IN))


def _open_file(path: Path, image_column: str, caption_column: str) -> CaptionedImages:
    if path.suffix.lower() == ".tar":
        from contrastive.data.tars import TarShards

        return TarShards(path.name, [path])
    if path.suffix.lower() == ".parquet":
        from contrastive.data.saved import load_parquet

        return load_parquet(path, image_column, caption_column)
    from contrastive.data.table import load_table

    return load_table(path, image_column, caption_column)


def _open_folder(folder: Path, image_column: str, caption_column: str) -> CaptionedImages:
    """Return the pairs of a folder, known by what is in it."""
    from contrastive.data.saved import is_saved, load_parquet, load_saved, parquet_in
    from contrastive.data.table import load_folder
    from contrastive.data.tars import TarShards, shards_in

    if is_saved(folder):
        return load_saved(folder, image_column, caption_column)
    if shards := shards_in(folder):
        return TarShards(folder.resolve().name, shards)
    if parquet_in(folder):
        return load_parquet(folder, image_column, caption_column)
    return load_folder(folder)
