"""What the configurations of a model folder may say: no code, no class foreign to transformers, nothing else to open, no absurd size.

transformers follows what these files name: `audio_tokenizer` loads a model from any path, `auto_map` imports a file, `model_args` of a timm
model take a pickle. Everything that is followed is listed here; ``make compat`` looks for what a new release follows as well. From a
`config.json`, only settings that its family knows reach a model (`strictio.model_folders.families`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from strictio.errors import DataError, UnsafeError
from strictio.files import read_text
from strictio.limits import LIMIT, MAX_LAYERS
from strictio.model_folders.families import unknown_settings

SAVE_AGAIN = "download or save it again"
MAX_BYTES, MAX_ENTRIES, MAX_DEPTH = 8 * 2**20, 300_000, 64
"""Of one configuration: bytes, values, and tables within tables; the longest on the hub have a megabyte and 50,000 values."""
MOST_BYTES = {".jinja": 2**20, ".model": 2**25, ".txt": 2**26, "tokenizer.json": 2**26, "vocab.json": 2**26, "chat_template.json": 2**21}
"""Of the files of a vocabulary and of chat templates, by how their names end; the longest on the hub have 35 megabytes."""
CODE_KEYS = (
    "auto_map", "trust_remote_code", "attn_implementation", "experts_implementation", "custom_generate", "kernel_config",
    "use_kernels", "hub_kernels",
)  # fmt: skip
"""Keys (or parts of them, in any case) by which a configuration has transformers fetch or run code."""
NO_CODE_KEYS = ("auto_mapping", "_attn_implementation_autoset")
"""Keys that only sound like it: names of classes in peft's `adapter_config.json` (adapters are never applied); a mark of older versions."""
FOREIGN = re.compile(r"(^|_)(kernels?|hub|code|remote|repo|repository|plugins?|scripts?|urls?|files?)(_|$)", re.IGNORECASE)
"""Words for code, a hub or a file, in a key that the model's family does not know."""
CLASS_KEYS = {
    "processor_class": ("Processor",),
    "image_processor_type": ("ImageProcessor",),
    "feature_extractor_type": ("ImageProcessor", "FeatureExtractor"),
    "video_processor_type": ("VideoProcessor",),
    "tokenizer_class": ("Tokenizer", "Backend"),
}
"""Key -> how the names of its classes end, without the suffixes of their variants (Fast, Pil)."""
OPENED_KEYS = (
    "audio_tokenizer", "audio_tokenizer_class", "audio_tokenizer_name_or_path",  # a model of its own
    "configuration_files", "fast_tokenizer_files",  # other files instead of those that were checked
    "gguf_file", "model_file", "model_proto", "tokenizer_object", "init_inputs", "checkpoint_path", "pretrained_cfg_overlay",
    "backbone_kwargs",
    "class_info_file", "repo_path", "font_path", "index_path", "passages_path", "cache_dir", "subfolder",
    "mecab_kwargs", "sudachi_kwargs", "jumanpp_kwargs",  # dictionaries of other libraries
)  # fmt: skip
"""Keys whose value is opened, and which no model that is audited here needs: refused unless they are empty."""
RUNNING_CLASSES = re.compile(r"LayoutLM")
"""Classes of transformers that run a program: these image processors start tesseract."""
NAME_KEYS = ("backbone", "architecture", "timm_model_name", "font")
"""Keys whose value is looked up: a name, never a path or a repository."""
DTYPE_KEYS = ("dtype", "torch_dtype")
"""Keys whose value is looked up in torch."""
UNOPENED_FILES = ("special_tokens_map_file", "tokenizer_file")
"""Keys of older tokenizers that say where a file once was; transformers puts the folder's own in their place."""
TEXT_KEYS = ("vocab", "merges")
"""Keys of a tokenizer that hold its content, or as a text the path of a file with it."""
_NAME = re.compile(r"[\w.-]+", re.ASCII)
_DTYPE = re.compile(r"auto|(torch\.)?(float|bfloat|half|double|u?int)\w*", re.ASCII)


def _read_files(folder: Path) -> Iterator[Path]:
    """Yield every file of a folder and its sub-folders that transformers reads, but for weights."""
    for directory, _, files in os.walk(folder):
        for name in sorted(files):
            read = name.endswith(("config.json", *MOST_BYTES)) or name in ("special_tokens_map.json", "added_tokens.json")
            if read and Path(directory, name).is_file():  # what is irregular is refused elsewhere
                yield Path(directory, name)


def check_configurations(folder: Path) -> DataError | None:
    """Refuse what no configuration may say, by file and key; return, not raise, that one of them cannot be read.

    Of vocabularies only the length is looked at: their pieces may read like keys or paths. Raises UnsafeError.
    """
    unreadable = None
    for path in _read_files(folder):
        _require_length(path, next((most for end, most in MOST_BYTES.items() if path.name.endswith(end)), MAX_BYTES))
        if path.suffix != ".json" or path.name in MOST_BYTES:
            continue
        if path.name == "audio_tokenizer_config.json":
            raise _refusal(path, "names a model of its own for sound", "the file", "")
        try:
            content = read_configuration(path)
        except DataError as error:
            unreadable = unreadable or error
            continue
        check_content(path, content)
    return unreadable


def check_content(path: Path, content: Mapping[str, Any]) -> None:
    """Refuse code, foreign classes, files to open and absurd sizes in what a configuration says; UnsafeError names file and key."""
    for prefix, key, value in entries(content) if path.name != "added_tokens.json" else ():
        _check_entry(path, prefix + key, key, value)
    for prefix, key, _ in unknown_settings(content) if path.name == "config.json" else ():
        if FOREIGN.search(key):
            what = "names code, a hub or a file by a key that its family does not know"
            raise _refusal(path, what, f"key {prefix + key!r}", f"remove {key!r}, if the model needs nothing of it")
    if large := oversized(content, path.name):
        fix = f"correct {large.key!r}, if you trust the rest of the folder"
        raise UnsafeError("the configuration states a size that no model has", where=str(path), why=large.why, fix=fix)


def _check_entry(path: Path, shown: str, key: str, value: object) -> None:
    if key not in NO_CODE_KEYS and any(part in key.lower() for part in CODE_KEYS):
        raise _refusal(
            path, "asks for code", f"key {shown!r}", f"if the architecture is one that transformers has built in, remove {key!r}"
        )
    if key in OPENED_KEYS and value not in (None, "", [], {}):
        raise _refusal(path, "names something else to open", f"key {shown!r}", f"remove {key!r}, if the model needs nothing of it")
    if key in NAME_KEYS and isinstance(value, str) and not _NAME.fullmatch(value):
        raise _refusal(path, "names a path where a built-in name belongs", f"key {shown!r}: {value[:80]!r}", "save the model again")
    if key in DTYPE_KEYS and isinstance(value, str) and not _DTYPE.fullmatch(value):
        raise _refusal(path, "names no type of numbers", f"key {shown!r}: {value[:80]!r}", "save the model again")
    if (key in TEXT_KEYS or (key.endswith("_file") and key not in UNOPENED_FILES)) and isinstance(value, str) and value:
        raise _refusal(path, "names a file of a vocabulary", f"key {shown!r}: {value[:80]!r}", f"remove {key!r}")
    if key in CLASS_KEYS and isinstance(value, str) and RUNNING_CLASSES.match(value):
        raise _refusal(path, "names a class that runs a program", f"key {shown!r}: {value[:80]!r}", "leave this model out")
    if key in CLASS_KEYS and value is not None and not _is_built_in(value, CLASS_KEYS[key]):
        what = "names a class that transformers does not have built in"
        raise _refusal(path, what, f"key {shown!r}: {str(value)[:80]!r}", "save the model again with the installed transformers")


def _refusal(path: Path, what: str, key: str, fix: str) -> UnsafeError:
    why = "here a configuration is data: what it names is not fetched, opened or run, and no option changes that"
    return UnsafeError(f"the configuration {what}: {key}", where=str(path), why=why, fix=fix or f"remove {path.name}")


def _is_built_in(name: object, ends: tuple[str, ...]) -> bool:
    """Tell whether a name is that of a class of transformers, of the right kind, under its name of today or an older one."""
    if not isinstance(name, str):
        return False
    plain = name.removesuffix("Fast").removesuffix("Pil")
    today = {plain, plain.replace("FeatureExtractor", "ImageProcessor")}
    others = ("ImageProcessor", "VideoProcessor") if ends == ("Processor",) else ()
    return any(candidate.endswith(ends) and not candidate.endswith(others) and candidate in _built_in_names() for candidate in today)


@cache
def _built_in_names() -> frozenset[str]:
    import transformers

    return frozenset(dir(transformers))


def read_configuration(path: Path, most: int = MAX_BYTES) -> dict[str, Any]:
    """Return a JSON object; DataError if it is something else, UnsafeError if it has more than `most` bytes."""
    _require_length(path, most)
    try:
        content = json.loads(read_text(path, most))
    except (ValueError, RecursionError, OSError) as error:
        why = str(error) or "nested too deeply"
        raise DataError(f"{path.name} is not readable JSON", where=str(path), why=why, fix=SAVE_AGAIN) from error
    if not isinstance(content, dict):
        raise DataError(f"{path.name} is not a JSON object", where=str(path), why=f"found {type(content).__name__}", fix=SAVE_AGAIN)
    if most == MAX_BYTES:
        _require_shape(path, content)
    return content


def _require_length(path: Path, most: int) -> None:
    """Refuse a file with more than so many bytes."""
    if (size := path.stat().st_size) > most:
        why = f"it has {size:,} bytes, and {most:,} is the most that is read"
        raise UnsafeError(f"{path.name} is too long", where=str(path), why=why, fix=SAVE_AGAIN)


def _require_shape(path: Path, content: object) -> None:
    """Refuse what would take minutes to walk through: far too many values, or values too deep in others."""
    waiting, count = [(content, 1)], 0
    while waiting:
        value, depth = waiting.pop()
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        count += len(inner)
        if depth > MAX_DEPTH or count > MAX_ENTRIES:
            why = f"more than {MAX_ENTRIES:,} values" if count > MAX_ENTRIES else f"tables in each other, more than {MAX_DEPTH} deep"
            raise UnsafeError(f"{path.name} is no configuration", where=str(path), why=why, fix=SAVE_AGAIN)
        waiting.extend((child, depth + 1) for child in inner if isinstance(child, dict | list))


def entries(content: object, prefix: str = "") -> Iterator[tuple[str, str, object]]:
    """Yield place, key and value of everything in a configuration's tables and lists, at every depth (`read_configuration` bounds it)."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list | tuple) else ()
    for key, value in pairs:
        yield prefix, str(key), value
        yield from entries(value, f"{prefix}{key}.")


def is_three_numbers(value: object) -> bool:
    """Tell whether a value can be a mean or a standard deviation of an image's channels."""
    return isinstance(value, list) and len(value) == 3 and all(type(number) in (int, float) for number in value)


# Every size that a configuration of a model can state has its limit here: a number of nine digits takes a machine's memory from ten
# bytes.
#
# Limits hold for every family, before anything is built. They are well above what transformers' own classes and published models have.
# What weights or tensors follow from a configuration is bounded by the weights in the files (`audit.models.huggingface.pretrained`).


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
