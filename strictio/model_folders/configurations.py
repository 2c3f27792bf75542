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
from typing import Any

from strictio.errors import DataError, UnsafeError
from strictio.files import read_text
from strictio.model_folders.families import unknown_settings
from strictio.model_folders.sizes import oversized

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
