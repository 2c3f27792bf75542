"""Every size that a configuration of a model can state has its limit here: a number of nine digits takes a machine's memory from ten bytes.

Limits hold for every family, before anything is built. They are well above what transformers' own classes and published models have.
What weights or tensors follow from a configuration is bounded by the weights in the files (`audit.models.huggingface.pretrained`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from strictio.limits import LIMIT, MAX_LAYERS

MAX_SIDE = 4096
"""Pixels a side of what an image processor makes. The largest generative models take 3,840, dual encoders 500."""
MAX_AREA, MAX_LEAST_AREA = MAX_SIDE**2, 2**21
"""Pixels that an image is reduced to, and that a small one is enlarged to."""
MAX_PARTS = 16_384
"""Tiles, patches, tokens or frames that stand for an image."""
MAX_TEMPORAL = 16
"""Times that an image is repeated, as if it were a video."""
MAX_ALONG = 256
"""Patches or tiles along a side."""
MAX_IDS = 2**25
"""Entries of a vocabulary, places of a text, ids of tokens."""
MAX_ADDED = 2**21
"""Id of a token that is added to a vocabulary: transformers counts up to it."""
MAX_TILED = 2**27
"""Pixels of all tiles together."""
MAX_UNUSED = 2**27
"""What only sound and videos have: none is shown to a model."""
SIZE_KEYS = {"height", "width", "shortest_edge", "longest_edge", "max_height", "max_width", "min_pixels", "max_pixels"}
"""Keys of which a table is one value: a size."""
AREA_CLASSES = 100_000
"""A `size` above this in a class's own defaults is no length but an area: Qwen2-VL and those after it call it so."""


class Oversized(NamedTuple):
    """A number that is too large, or a part that is too small."""

    key: str
    """With the keys above it, from the outermost on."""
    why: str


class Rule(NamedTuple):
    """Keys and the most that their numbers may be."""

    pattern: re.Pattern[str]
    limit: float


def _rules(*rules: tuple[str, float]) -> tuple[Rule, ...]:
    return tuple(Rule(re.compile(pattern), limit) for pattern, limit in rules)


_COMPUTED_WITH = r"theta|temperature|period|clipping|time_step|(^|_)val(ue)?s?$|factor|_base$|eps$|invalid|model_max_length$|_size_base"
"""Constants of formulas, and the length that tokenizers write as 1e30: nothing is as large as they are."""
_IDS = r"token|_ids?$|index|offset|vocab|position|n_ctx|seq|length|len$|chunk|id2label|label2id"
MODEL_RULES = _rules(
    (_COMPUTED_WITH, float("inf")),
    (r"(layers?|depths?|blocks|stages|n_layer)$|layers", MAX_LAYERS),
    (r"num_labels|num_classes", 4 * MAX_PARTS),
    (r"pixels", 2 * MAX_AREA),
    (r"(^|_)(image|img|crop|tile)_size$|resolution", MAX_SIDE),
    (_IDS, MAX_IDS),
    (r"", LIMIT),
)
"""Of `MODEL_FILES`; the first rule whose pattern is in a key holds for its numbers."""
PROCESSOR_RULES = _rules(
    (_COMPUTED_WITH, float("inf")),
    (r"video|audio|feature_extractor|frames|fps|duration|sampling|n_samples|chunk|n_fft|hop_length|mel|total_pixels", MAX_UNUSED),
    (r"vocab|_ids?$", MAX_IDS),
    (r"temporal", MAX_TEMPORAL),
    (r"min_pixels", MAX_LEAST_AREA),
    (r"max_pixels", MAX_AREA),
    (r"size|(^|_)(edge|height|width|side|resolutions?|pinpoints)(_|$)", MAX_SIDE),
    (r"^(max|min)_(new_)?(length|tokens)$", MAX_IDS),
    (r"", MAX_PARTS),
)
"""Of image processors, processors, tokenizers and generation."""
ADDED_RULES = _rules((r"", MAX_ADDED))
_AREAS = {"size.shortest_edge": MAX_LEAST_AREA, "size.longest_edge": MAX_AREA}
MODEL_FILES = ("config.json", "open_clip_config.json")
_TILES = ("max_patches", "max_num_patches", "max_image_tiles", "max_num_tiles", "max_tiles", "max_slice_nums", "max_num", "num_crops")


def oversized(content: Mapping[str, Any], file: str) -> Oversized | None:
    """Return the first number in a configuration of this name, at any depth, that is beyond its limit."""
    of_model = file in MODEL_FILES
    rules = MODEL_RULES if of_model else ADDED_RULES if file == "added_tokens.json" else PROCESSOR_RULES
    for table, path in _tables({"video": content} if file.startswith("video") else content):
        large = _image_parts(table, path) or (None if of_model else _tiled(table, path) or _added(table, path))
        if large is not None:
            return large
        areas = not of_model and _sized_by_area(table)
        for key, value in _numbers(table):
            limit = _AREAS[key] if areas and key in _AREAS else _limit(rules, path, key)
            if abs(value) > limit or value != value:
                return _over(path + key, value, limit)
    return None


def _over(key: str, value: float, limit: float, unit: str = "") -> Oversized:
    return Oversized(key, f"{key} is {value:,}{unit}, and {limit:,} is the most that is accepted")


def _limit(rules: tuple[Rule, ...], path: str, key: str) -> float:
    # Nothing is heard or seen moving: what only sound and videos take may be as large as transformers has it.
    names = path + key if rules is PROCESSOR_RULES else key
    return next(rule.limit for rule in rules if rule.pattern.search(names))


def _tables(content: Mapping[str, Any], path: str = "") -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield a table and every table in it that is no value such as ``size``, with the keys that lead there."""
    yield content, path
    for key, value in content.items():
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, dict) and not _is_value(child):
                yield from _tables(child, f"{path}{key}.")


def _is_value(table: Mapping[str, Any]) -> bool:
    return not {*table} - SIZE_KEYS


def _numbers(value: object, key: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers of a table by their keys: those in lists by the list's, those in values as ``size.height``."""
    if type(value) in (int, float):
        yield key, value  # type: ignore[misc]
    elif isinstance(value, list):
        for child in value:
            yield from _numbers(child, key)
    elif isinstance(value, dict) and (not key or _is_value(value)):
        for name, child in value.items():
            yield from _numbers(child, f"{key}.{name}" if key else str(name))


def _image_parts(table: Mapping[str, Any], path: str) -> Oversized | None:
    """Return how many parts an image is cut into, if they are too many or smaller than a pixel."""
    for whole, part in (("image_size", "patch_size"), ("size", "max_image_size")):
        sides, parts = ([number for _, number in _numbers(table.get(name))] for name in (whole, part))
        if any(not number >= 1 for number in parts):
            return Oversized(f"{path}{part}", f"{path}{part} is {min(parts):,}, and 1 is the least that is accepted")
        if sides and parts and max(sides) > MAX_ALONG * min(parts):
            return _over(f"{path}{whole}", max(sides), MAX_ALONG * min(parts), f" in pieces of {min(parts):,}")
    return None


def _tiled(table: Mapping[str, Any], path: str) -> Oversized | None:
    """Return the tiles or patches of an image, if together they have too many pixels."""
    counts = [(table[name], name) for name in _TILES if type(table.get(name)) in (int, float)]
    if not counts:
        return None
    count, name = max(counts)
    # A class that cuts patches counts them by the same name as others their tiles, each as large as an image.
    patches = name == "max_num_patches" or ("patch_size" in table and hasattr(_class(table), "patch_size"))
    sizes = ("patch_size", "encoder_patch_size") if patches else ("tile_size", "max_image_size", "crop_size", "size")
    size = next((table[key] for key in sizes if table.get(key)), None)
    side = min(max([1, *(number for _, number in _numbers(size))]), MAX_SIDE)
    most = MAX_TILED // side**2
    return _over(path + name, count, most, " tiles of this size") if count > most else None


def _class(table: Mapping[str, Any]) -> Any:
    """Return the class of an image processor, of which only the defaults are looked at; None for an unknown one."""
    import transformers

    return getattr(transformers, str(table.get("image_processor_type")).removesuffix("Fast"), None)


def _added(table: Mapping[str, Any], path: str) -> Oversized | None:
    """Return the first id that is too large of the tokens that a tokenizer's configuration adds."""
    for key in table if path.endswith("added_tokens_decoder.") else ():
        if key.isdigit() and (len(key) > 20 or int(key) > MAX_ADDED):
            return Oversized(path + key[:20], f"the id {key[:20]} is added, and {MAX_ADDED:,} is the most that is accepted")
    return None


def _sized_by_area(table: Mapping[str, Any]) -> bool:
    """Tell whether the ``size`` of an image processor is an area, by its class's own defaults; looked at only where it could matter."""
    size = table.get("size")
    if not isinstance(size, dict) or max((number for _, number in _numbers(size)), default=0) <= MAX_SIDE:
        return False
    usual = getattr(_class(table), "size", None)
    return isinstance(usual, dict) and max((number for _, number in _numbers(usual)), default=0) > AREA_CLASSES
