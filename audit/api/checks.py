"""What the options of an audit or a comparison may hold, a check each (`audit.cli.options.Check`)."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from audit.cli.options import Check, flag, is_frame, names, path, several
from audit.errors import DataError, UsageError
from audit.types import Dataset, Probe

METHODS = (("encode_images", "encode_texts"), ("log_likelihoods",))
"""What an object must have to be an encoder, or a model that answers questions."""


def is_model(value: object) -> bool:
    """Whether this is an object with the methods of a model."""
    return not isinstance(value, type) and any(all(callable(getattr(value, name, None)) for name in needed) for needed in METHODS)


def is_given(value: Any) -> bool:
    """Tell whether an option was given; a data frame has no truth value of its own."""
    return bool(value) if isinstance(value, bool | tuple) else value is not None


def _text_or(accepted: Callable[[Any], bool], expected: str) -> Check:
    """Return a check for text, a path as text, or a value that is accepted as it is."""

    def check(value: Any) -> Any:
        if isinstance(value, str | Path):
            return str(value)
        if not accepted(value):
            raise ValueError(expected)
        return value

    return check


model = _text_or(is_model, "a model spec, or an object (not its class) with encode_images(images) and encode_texts(texts)")
probe = _text_or(lambda value: isinstance(value, Probe), "the name of a probe, a file with one, or a Probe")
data = _text_or(lambda value: isinstance(value, Dataset) or is_frame(value), "a path, hf:ID, a data frame or a Dataset")
side = _text_or(lambda value: is_model(value) or hasattr(value, "results"), "the directory of a finished audit, an Audit, or a model")


def _prediction(value: Any) -> Any:
    if is_frame(value):
        return value
    if not isinstance(value, str | Path):
        raise ValueError("a path or a data frame")
    return path(value)


def predictions(value: Any) -> tuple[Any, ...]:
    """Check files or data frames of predictions."""
    return () if value is None else several(_prediction)(value)


def exclusions(value: Any) -> Path | tuple[str, ...]:
    """Check what names the images to leave out."""
    if isinstance(value, str | Path):
        return Path(value)
    if not isinstance(value, list | tuple) or not value or not all(isinstance(identifier, str) for identifier in value):
        raise ValueError("the path of a list, or a sequence of identifiers")
    return tuple(dict.fromkeys(value))


def read_models(request: Any) -> None:
    """Put the models of a file, each once, behind those that a request names; UsageError if it has no place there.

    The file has a model a line, as ``--model`` takes it; ``#`` begins a comment. DataError if it cannot be read, or names none.
    """
    if request.predictions or request.model_args:
        other = "--predictions" if request.predictions else "--model-args"
        raise UsageError(f"--models cannot be used with {other}", fix="name the models with --model")
    try:
        lines = [line.partition("#")[0].strip() for line in request.models.read_text("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise DataError(f"cannot read the models in {str(request.models)!r}", why=why, fix="give a text file, a model a line") from error
    if not (models := tuple(dict.fromkeys(filter(None, lines)))):
        raise DataError(f"{str(request.models)!r} names no model", fix="write a model on each line, as --model takes it")
    object.__setattr__(request, "model", (*request.model, *models))  # a request is frozen once it is made
    object.__setattr__(request, "models", None)


def suite(value: Any) -> str:
    """Check the name of a suite."""
    import probes

    if value not in probes.SUITES:
        raise ValueError(f"one of {', '.join(probes.SUITES)}")
    return str(value)


def take_suite(request: Any) -> None:
    """Put the probes of a suite into a request; UsageError where it names other probes too."""
    import probes

    suite = probes.SUITES[request.suite]
    if request.probe not in ((), suite):
        why = "a suite is corrected as a whole, with the questions it was planned with"
        raise UsageError("--suite cannot be used with --probe", why=why, fix="leave one of them out")
    object.__setattr__(request, "probe", suite)  # a request is frozen once it is made


def cache_root(value: Any) -> Path | str:
    """Check where embeddings are kept: a path, or a URL as it is."""
    return value if isinstance(value, str) and "://" in value else path(value)


def bins(value: Any) -> tuple[str, ...]:
    """Check how columns of numbers are cut."""
    from audit.predictions.bins import parse_bins

    if isinstance(value, Mapping):
        value = [f"{name}={','.join(map(str, cuts)) + ',' if isinstance(cuts, list | tuple) else cuts}" for name, cuts in value.items()]
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise ValueError("NAME=18,30,60, a sequence of such, or a mapping of names to edges")
    named = [parse_bins(text).column for text in texts]
    if len(set(named)) < len(named):
        raise ValueError("each column once")
    return tuple(texts)


def pairs(value: Any) -> tuple[str, ...]:
    """Check what makes pairs of rows."""
    from audit.predictions.pairs import parse_pairs

    if isinstance(value, Mapping):
        value = [f"{name}={columns if isinstance(columns, str) else ','.join(columns)}" for name, columns in value.items()]
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise ValueError("ATTRIBUTE=COLUMN, a sequence of such, or a mapping of attributes to columns")
    for text in texts:
        parse_pairs(text)
    return tuple(texts)


def groups(value: Any) -> tuple[tuple[str, ...], ...]:
    """Check groups of attributes."""
    if not isinstance(value, str | list | tuple):
        raise ValueError("names, such as race,gender, or a sequence of them")
    return tuple(map(names, [value] if isinstance(value, str) else value))


def model_args(value: Any) -> Any:
    """Check what is stated about models."""
    values = value if isinstance(value, list | tuple) else [value]
    for one in values:
        words = [*one, *one.values()] if isinstance(one, Mapping) else [one]
        if not all(word is None or isinstance(word, str) for word in words):
            raise ValueError("'name=value', a mapping of text to text, or one of them for each model")
    return value


def progress(value: Any) -> Any:
    """Check what is told of the images."""
    if not callable(value):
        raise ValueError("a function of two numbers: images embedded, and their number")
    return value


def stages(value: Any) -> Any:
    """Check what is told of the stages."""
    if not callable(value):
        raise ValueError("a function of a text and two numbers: the stage, how much of it is done, and of how much")
    return value


def encoding(value: Any) -> str:
    """Check the name of a text encoding."""
    try:
        known = isinstance("a".encode(codecs.lookup(value).name), bytes)  # a codec that is not of text (hex, rot13) does not write it
    except (LookupError, TypeError, ValueError):
        known = False
    if not known:
        raise ValueError("the name of a text encoding, such as latin-1, cp1252 or utf-16")
    return str(value)


def about_data(request: Any) -> None:
    """Raise `UsageError` where an option says how a table of data is read, and none is named."""
    names = [name for name in ("image_root", "image_column", "encoding") if getattr(request, name) is not None]
    if names and not isinstance(request.data, str):
        where = "without --data" if request.data is None else f"with data of type {type(request.data).__name__}"
        raise UsageError(f"{flag(names[0])} cannot be used {where}", why="it says how a table in a file is read", fix="leave it out")
    if request.image_root is not None and not request.image_root.is_dir():
        raise UsageError(f"no folder {str(request.image_root)!r}", where="--image-root", fix="name the folder that the images are in")


def about_texts(request: Any) -> None:
    """Raise `UsageError` where an option is about answers, and there are texts."""
    about_answers = ("outcome", "pairs", "depth", "by", "prediction_column", "truth_column", "tags", "fail_on")
    if names := [name for name in about_answers if is_given(getattr(request, name))]:
        raise UsageError(f"--texts cannot be used with {flag(names[0])}", why="a text is not one of several answers", fix="leave it out")


def about_tags(request: Any) -> None:
    """Raise `UsageError` where an option is about one answer an image, and an image has several labels."""
    one_answer = ("probe", "outcome", "pairs", "prediction_column", "truth_column", "weights")
    if names := [name for name in one_answer if is_given(getattr(request, name))]:
        raise UsageError(
            f"--tags cannot be used with {flag(names[0])}", why="an image has several labels, none of them the answer", fix="leave it out"
        )


def about_replicates(request: Any) -> None:
    """Refuse replicates that are one thing twice, or one alone."""
    replicates = [str(source) if isinstance(source, str | Path) else id(source) for source in (*request.model, *request.predictions)]
    if twice := [replicate for replicate in replicates if replicates.count(replicate) > 1]:
        named = "one object" if isinstance(twice[0], int) else repr(twice[0])
        raise UsageError(f"{named} is given twice", where="--as-replicates", fix="give each replicate once: another seed, another step")
    if len(request.model) == 1:
        why = "how far replicates lie apart takes two of them"
        raise UsageError("--as-replicates with one --model", why=why, fix="--model a.pt --model b.pt --as-replicates")


def about_weights(request: Any) -> None:
    """Refuse a column of weights that is asked for something else too."""
    weights = request.weights
    if weights == request.cluster or weights in {*(request.attributes or ()), *(name for by in request.by for name in by)}:
        other = "--cluster" if weights == request.cluster else "--attributes" if request.attributes else "--by"
        raise UsageError(f"--weights and {other} name one column: {weights!r}", fix="weights are numbers, the others names; give two")
    if request.what_if:
        raise UsageError("--what-if cannot be used with --weights", why="what-ifs count every image once", fix="leave one of them out")
