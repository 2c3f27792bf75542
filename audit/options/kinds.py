"""The types of options: validate text from a command line or a value from Python, and convert it."""

from __future__ import annotations

import codecs
import math
import numbers
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from annotated_types import Ge, Gt, Lt
from pydantic import BeforeValidator, PlainValidator, StrictBool, StrictStr, ValidationError, WrapValidator

from audit.errors import UsageError
from audit.options.schema import show_value
from audit.records.comparison import SeriesAxis
from audit.types import Dataset, Probe

MIN_ALPHA = 1e-4
"""The permutation tests make 9,999 draws: no smaller p could ever be reached."""
MAX_PATH, MAX_NAME = 4095, 255  # the limits of Linux
MAX_MODEL_NAME = 60
"""Characters of a model's name: a longer one does not fit the charts."""
MODEL_METHODS = (("encode_images", "encode_texts"), ("log_likelihoods",), ("classify_images",))
"""The methods of an encoder, of a model that answers questions, and of an image classifier."""
T = TypeVar("T")


def _expected(what: str) -> WrapValidator:
    """A validator that describes in words what the type accepts."""

    def validate(value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(value)
        except (ValidationError, OverflowError) as error:
            raise ValueError(what) from error

    return WrapValidator(validate)


# ---- numbers -------------------------------------------------------------------------------------------------------------------------


def _number(value: Any) -> Any:
    """Convert a number of any library to Python's; booleans are not numbers."""
    if isinstance(value, bool):
        raise ValueError("a number")
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else value


def _share(value: Any) -> Any:
    if not isinstance(value, str):
        return _number(value)
    from audit.gates.parse import fraction  # imports the records of results, which other options do not need

    return fraction(value)


Whole = Annotated[int, BeforeValidator(_number), _expected("a whole number")]
Count = Annotated[int, Ge(1), BeforeValidator(_number), _expected("a whole number of at least 1")]
Draws = Annotated[int, Ge(99), BeforeValidator(_number), _expected("a whole number of at least 99")]


def _expected_fraction(value: Any, handler: Callable[[Any], Any]) -> Any:
    try:
        return handler(value)
    except (ValidationError, OverflowError) as error:
        whole = str(value).strip()
        meant = f" ({whole} % is 0.{int(whole):02d})" if whole.isdecimal() and 1 <= int(whole) < 100 else ""
        raise ValueError(f"0 ≤ x < 1, such as 0.2, 20 % or 20 points{meant}") from error


Fraction = Annotated[float, Ge(0), Lt(1), BeforeValidator(_share), WrapValidator(_expected_fraction)]
# Equivalence uses intervals at 1 - 2 alpha.
ErrorRate = Annotated[float, Ge(MIN_ALPHA), Lt(0.5), BeforeValidator(_share), _expected(f"{MIN_ALPHA} ≤ x < 0.5, such as 0.05 or 5 %")]
AboveOne = Annotated[float, Gt(1), Lt(float("inf")), BeforeValidator(_number), _expected("a number above 1")]
AboveZero = Annotated[float, Gt(0), Lt(float("inf")), BeforeValidator(_number), _expected("a number above 0")]


# ---- text ----------------------------------------------------------------------------------------------------------------------------


def _path(value: Any) -> Path:
    if not isinstance(value, str | Path):
        raise ValueError("a path")
    parts = Path(value).parts
    if "\0" in str(value) or len(str(value)) > MAX_PATH or any(len(part.encode("utf-8", "surrogateescape")) > MAX_NAME for part in parts):
        raise ValueError(f"a path without NUL, of at most {MAX_PATH:,} characters, each name of at most {MAX_NAME} bytes")
    return Path(value)


def _place(value: str | Path) -> str:
    """A path as text; a URL, which may be longer, unchanged, and so are braces, which stand for several names."""
    text = str(value)
    if "://" not in text and "{" not in text:
        _path(text)
    return text


def path_of(value: Any, what: str) -> Path:
    """Convert a path from Python; raises UsageError if it is invalid."""
    try:
        return _path(value)
    except ValueError as error:
        raise UsageError(f"invalid {what} {show_value(value)}: expected {error}") from error


def _names(value: Any) -> tuple[str, ...]:
    """Parse names, or a string of names separated by commas, without duplicates."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, Sequence) or not all(isinstance(part, str) for part in parts):
        raise ValueError("names, such as race,gender")
    named = tuple(dict.fromkeys(name.strip() for name in parts if name.strip()))
    if not named:
        raise ValueError("at least one name")
    return named


def _groups(value: Any) -> tuple[tuple[str, ...], ...]:
    if not isinstance(value, str | list | tuple):
        raise ValueError("names, such as race,gender, or a sequence of them")
    return tuple(map(_names, [value] if isinstance(value, str) else value))


def _model_name(value: Any) -> str:
    name = value.strip() if isinstance(value, str) else ""
    if not 0 < len(name) <= MAX_MODEL_NAME or not name.isprintable():
        raise ValueError(f"names of 1 to {MAX_MODEL_NAME} printable characters")
    return name


def _encoding(value: Any) -> str:
    try:
        known = isinstance("a".encode(codecs.lookup(value).name), bytes)  # codecs that are not for text (hex, rot13) do not encode it
    except (LookupError, TypeError, ValueError):
        known = False
    if not known:
        raise ValueError("the name of a text encoding, such as latin-1, cp1252 or utf-16")
    return str(value)


def _suite(value: Any) -> str:
    import probes

    if value not in probes.SUITES:
        raise ValueError(f"one of {', '.join(probes.SUITES)}")
    return str(value)


def _language(value: Any) -> str:
    from probes.prompts import languages

    if value not in languages.codes():
        raise ValueError(f"one of {', '.join(languages.codes())}")
    return str(value)


def _exclusions(value: Any) -> Path | tuple[str, ...]:
    if isinstance(value, str | Path):
        return _path(value)
    if not isinstance(value, list | tuple) or not value or not all(isinstance(identifier, str) for identifier in value):
        raise ValueError("the path of a list, or a sequence of identifiers")
    return tuple(dict.fromkeys(value))


def _cache_root(value: Any) -> Path | str:
    return value if isinstance(value, str) and "://" in value else _path(value)


def _listed(value: Any) -> tuple[Any, ...]:
    if is_pair(value):  # one model
        return (value,)
    return tuple(value) if isinstance(value, list | tuple) else () if value is None else (value,)


def _axis(value: Any) -> SeriesAxis:
    """Parse ``dose=0,0.25,0.5``."""
    if isinstance(value, SeriesAxis):
        return value
    text, _, listed = value.rpartition("=") if isinstance(value, str) else ("", "", "")
    name, expected = text.strip(), "a name and numbers, of which two or more differ, such as dose=0,0.25,0.5"
    try:
        values = tuple(map(float, listed.split(",")))
    except ValueError as error:
        raise ValueError(expected) from error
    named = 0 < len(name) <= MAX_MODEL_NAME and name.isprintable()
    if not named or len(set(values)) < 2 or not all(map(math.isfinite, values)):
        raise ValueError(expected)
    return SeriesAxis(name, values)


Text = StrictStr
Switch = StrictBool
FilePath = Annotated[Path, PlainValidator(_path)]
Names = Annotated[tuple[str, ...], PlainValidator(_names)]
Groups = Annotated[tuple[tuple[str, ...], ...], PlainValidator(_groups)]
ModelName = Annotated[str, PlainValidator(_model_name)]
Encoding = Annotated[str, PlainValidator(_encoding)]
SuiteName = Annotated[str, PlainValidator(_suite)]
LanguageCode = Annotated[str, PlainValidator(_language)]
Exclusions = Annotated[Path | tuple[str, ...], PlainValidator(_exclusions)]
Axis = Annotated[SeriesAxis, PlainValidator(_axis)]
CacheRoot = Annotated[Path | str, PlainValidator(_cache_root)]
"""A path, or a URL unchanged."""
Several = Annotated[tuple[T, ...], BeforeValidator(_listed)]
"""One value or a sequence of values; None means an empty sequence."""


# ---- additional types for Python -----------------------------------------------------------------------------------------------------


def is_frame(value: object) -> bool:
    """Whether this is a pandas data frame, without importing pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def is_hugging_face(value: object) -> bool:
    """Whether this is a data set of the library datasets, or several, without importing it."""
    library = sys.modules.get("datasets")
    kinds = ("Dataset", "DatasetDict", "IterableDataset", "IterableDatasetDict")
    return library is not None and isinstance(value, tuple(getattr(library, kind) for kind in kinds))


def is_pair(value: object) -> bool:
    """Whether this is a dual encoder of transformers with its processor."""
    features = ("get_image_features", "get_text_features")
    return isinstance(value, tuple) and len(value) == 2 and all(callable(getattr(value[0], name, None)) for name in features)


def is_model(value: object) -> bool:
    """Whether this is an object with the methods of a model."""
    if isinstance(value, type):
        return False
    return is_pair(value) or any(all(callable(getattr(value, name, None)) for name in needed) for needed in MODEL_METHODS)


def _model(value: Any) -> Any:
    if is_pair((value, None)):
        raise ValueError(f"a model with its processor: model=(model, processor), or the folder of both for this {type(value).__name__}")
    if not is_model(value):
        raise ValueError(
            "a model spec, (model, processor), or an object (not its class) with encode_images(images) and encode_texts(texts), or with "
            "labels and classify_images(images)"
        )
    return value


def _text_or(accepted: Callable[[Any], bool], expected: str) -> PlainValidator:
    """A validator of text, a path as text, or a value that is accepted unchanged."""

    def check(value: Any) -> Any:
        if isinstance(value, str | Path):
            return _place(value)
        if not accepted(value):
            raise ValueError(expected)
        return value

    return PlainValidator(check)


def _function(expected: str) -> PlainValidator:
    def check(value: Any) -> Any:
        if not callable(value):
            raise ValueError(expected)
        return value

    return PlainValidator(check)


def _prediction(value: Any) -> Any:
    if is_frame(value):
        return value
    if not isinstance(value, str | Path):
        raise ValueError("a path or a data frame")
    return _path(value)


def _model_args(value: Any) -> Any:
    for one in value if isinstance(value, list | tuple) else [value]:
        words = [*one, *one.values()] if isinstance(one, Mapping) else [one]
        if not all(word is None or isinstance(word, str) for word in words):
            raise ValueError("'name=value', a mapping of text to text, or one of them for each model")
    return value


def _label_map(value: Any) -> Any:
    if value is None or (isinstance(value, Mapping) and all(isinstance(text, str) for text in (*value, *value.values()))):
        return value
    if isinstance(value, Mapping):
        raise ValueError("a mapping of labels to answers, both text")
    return _path(value)


def _bins(value: Any) -> tuple[str, ...]:
    from audit.predictions.bins import parse_bins

    if isinstance(value, Mapping):
        value = [f"{name}={','.join(map(str, cuts)) + ',' if isinstance(cuts, list | tuple) else cuts}" for name, cuts in value.items()]
    texts = _texts(value, "NAME=18,30,60, a sequence of such, or a mapping of names to edges")
    named = [parse_bins(text).column for text in texts]
    if len(set(named)) < len(named):
        raise ValueError("each column once")
    return texts


def _columns(value: Any) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        value = [f"{name}={column}" for name, column in value.items()]
    texts = _texts(value, "NAME=COLUMN, a sequence of such, or a mapping of attributes to columns")
    named = [text.partition("=")[0].strip() for text in texts]
    if not all(named) or not all(text.partition("=")[2] for text in texts):
        raise ValueError("NAME=COLUMN, such as gender='Gender '")
    if len(set(named)) < len(named):
        raise ValueError("each attribute once")
    return texts


def _ordered(value: Any) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        value = [f"{name}={levels if isinstance(levels, str) else ','.join(levels)}" for name, levels in value.items()]
    texts = _texts(value, "NAME=LEVEL,LEVEL,… or NAME, a sequence of such, or a mapping of attributes to levels")
    for text in texts:
        parse_order(text)
    return texts


def parse_order(text: str) -> tuple[str, tuple[str, ...]]:
    """Parse ``--ordered``: an attribute and its levels from the lowest to the highest; without levels as the data order them.

    Examples
    --------
    >>> parse_order("age=0-2, 3-9,10-19"), parse_order("age")
    (('age', ('0-2', '3-9', '10-19')), ('age', ()))
    """
    name, equals, listed = text.partition("=")
    levels = tuple(level.strip() for level in listed.split(",") if level.strip())
    if not name.strip() or (equals and len(set(levels)) < 3) or len(set(levels)) < len(levels):
        raise ValueError("an attribute with three different levels or more, from the lowest to the highest, such as age=0-2,3-9,10-19")
    return name.strip(), levels


def _pairs(value: Any) -> tuple[str, ...]:
    from audit.predictions.join import parse_pairs

    if isinstance(value, Mapping):
        value = [f"{name}={columns if isinstance(columns, str) else ','.join(columns)}" for name, columns in value.items()]
    texts = _texts(value, "ATTRIBUTE=COLUMN, a sequence of such, or a mapping of attributes to columns")
    for text in texts:
        parse_pairs(text)
    return texts


def _texts(value: Any, expected: str) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise ValueError(expected)
    return tuple(texts)


Model = Annotated[Any, PlainValidator(lambda value: _place(value) if isinstance(value, str | Path) else _model(value))]
Side = Annotated[
    Any, _text_or(lambda value: is_model(value) or hasattr(value, "results"), "the directory of a finished audit, an Audit, or a model")
]
ProbeName = Annotated[Any, _text_or(lambda value: isinstance(value, Probe), "the name of a probe, a file with one, or a Probe")]
Data = Annotated[
    Any,
    _text_or(
        lambda value: value is None or isinstance(value, Dataset) or is_frame(value) or is_hugging_face(value),
        "a path, hf:ID, a data frame, a datasets.Dataset or a Dataset",
    ),
]
"""None: the probe's default."""
Prediction = Annotated[Any, PlainValidator(_prediction)]
ModelArgs = Annotated[Any, PlainValidator(_model_args)]
LabelMapFile = Annotated[Any, PlainValidator(_label_map)]
Bins = Annotated[tuple[str, ...], PlainValidator(_bins)]
Columns = Annotated[tuple[str, ...], PlainValidator(_columns)]
Ordered = Annotated[tuple[str, ...], PlainValidator(_ordered)]
Pairs = Annotated[tuple[str, ...], PlainValidator(_pairs)]
Progress = Annotated[Callable[[int, int], object], _function("a function of two numbers: images embedded, and their number")]
"""Called with the number of images embedded so far, and the total."""
StagesOf = Annotated[
    Callable[[str, int, int], object], _function("a function of a text and two numbers: the stage, how much of it is done, and of how much")
]
