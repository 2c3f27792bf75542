"""Custom encoders and image classifiers: a class in a Python file (``FILE.py:CLASS``) or in an installed package (``plugin:NAME``).

An encoder has two methods, a classifier an attribute and a method::

    encode_images(images: list[PIL.Image])    ->  one row of numbers per RGB image
    encode_texts(texts: list[str])            ->  one row, of equally many numbers, per text

    labels                                        its labels; independent = True if each has a probability of its own
    classify_images(images: list[PIL.Image])  ->  one row of probabilities per RGB image, in the order of the labels

The file is run: it is code that you chose. Everything it returns is checked, first on an image and two texts, and then every time.
"""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import PIL

from audit.errors import DataError, UsageError, nearest
from audit.models.labels import logits_from, named_labels
from audit.models.runtime import canonical, log_notes
from audit.models.user_code import call_user_code, classes_with, run_file
from audit.types import Group, ModelRecord, Note, Question
from strictio.files import read_bytes
from strictio.limits import MOST_TEXT

if TYPE_CHECKING:
    from jaxtyping import Float
    from PIL import Image

GROUP = "vlm_audit.encoders"
"""Group of entry points: ``[project.entry-points."vlm_audit.encoders"]`` with ``NAME = "package.module:Class"``."""
METHODS = ("encode_images", "encode_texts")
CLASSIFIES = "classify_images"
"""The method of a classifier."""
FORM = "a class with encode_images(images) and encode_texts(texts); docs/guides/models.md, 'A model of your own'"
LOGIT_SCALE = 100.0
"""CLIP's, if a plug-in states none."""


TRIED = ("a photo of a cook", "a drawing")
"""Texts with which every plug-in is tested when it is loaded."""


class PluginSource(NamedTuple):
    """Location of a class."""

    shown: str
    """Its name on the command line."""
    kind: str
    sha256: str
    cls: Any


class PluginEncoder:
    """A plug-in with checks of its output."""

    def __init__(self, plugin: Any, record: ModelRecord, shown: str):
        self.record = record
        self._plugin, self._shown = plugin, shown

    def encode_images(self, images: Sequence[Image.Image]) -> Float[np.ndarray, "n d"]:
        return self._rows("encode_images", list(images))

    def encode_texts(self, texts: Sequence[str]) -> Float[np.ndarray, "k d"]:
        return self._rows("encode_texts", list(texts))

    def _rows(self, method: str, items: list[Any]) -> np.ndarray:
        return _call_method(self._plugin, method, items, self._shown, wide=self.record.dimensions, retried=True)


class PluginClassifier:
    """A plug-in that classifies images, with checks of its output."""

    def __init__(self, plugin: Any, record: ModelRecord, shown: str, columns: int):
        self.record = record
        self._plugin, self._shown, self._columns = plugin, shown, columns

    @property
    def labels(self) -> Group:
        return self.record.labels

    def encode_images(self, images: Sequence[Image.Image]) -> Float[np.ndarray, "n k"]:
        """The logits of all labels."""
        rows = _probabilities(self._plugin, list(images), self._shown, self._columns)
        return logits_from(rows, "independent" if self.record.score_rule == "sigmoid" else "probabilities")


def load_file(text: str, model_args: Mapping[str, str] | None = None, **offered: str) -> PluginEncoder | PluginClassifier:
    """Load ``FILE.py:CLASS``; `offered` values (device and dtype) go to a constructor that accepts them, `model_args` by name, as strings.

    Raises UsageError if the class, a method or a constructor's parameter is missing; DataError if the file cannot be run or its rows are
    wrong; MachineError if it imports a package that is not installed.
    """
    path, name = (text, "") if text.endswith(".py") else text.rsplit(":", 1)
    file = Path(path)
    if not file.is_file():
        raise DataError(f"plug-in file not found: {path}", fix="--model FILE.py:CLASS with an existing Python file")
    content = read_bytes(file, MOST_TEXT)
    if not name:
        known = [*classes_with(content, METHODS), *classes_with(content, (CLASSIFIES,))]
        why = f"classes with the methods in it: {', '.join(known)}" if known else "it defines no class with the methods"
        fix = f"--model {path}:{known[0]}" if known else f"write {FORM}"
        raise UsageError(f"which class of {path}?", why=why, fix=fix)
    module = call_user_code(lambda: run_file(file, content), path, "running the file")
    cls = getattr(module, name, None)
    if not inspect.isclass(cls):
        known = [known for known, value in vars(module).items() if inspect.isclass(value) and value.__module__ == module.__name__]
        raise UsageError(f"{path} has no class {name!r}", why=nearest(name, known) if known else "it defines no class", fix=f"write {FORM}")
    source = PluginSource(text, f"Python plug-in {file.name}:{name}", hashlib.sha256(content).hexdigest(), cls)
    return _model(source, name, offered, model_args or {})


def load_installed(name: str, model_args: Mapping[str, str] | None = None, **offered: str) -> PluginEncoder | PluginClassifier:
    """Load ``plugin:NAME``, an entry point of an installed package; raises errors as `load_file` does."""
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        why = nearest(name, points) if points else f"no installed package has an entry point of the group {GROUP}"
        raise UsageError(f"unknown plug-in {name!r}", why=why, fix="--model FILE.py:CLASS, or install the package that brings it")
    point, shown = points[name], f"plugin:{name}"
    cls = call_user_code(point.load, shown, "importing it")
    if not inspect.isclass(cls):
        raise UsageError(f"{shown} names no class", why=f"{point.value} is of type {type(cls).__name__}", fix=f"it must name {FORM}")
    release = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
    file = inspect.getsourcefile(cls)
    content = read_bytes(Path(file), MOST_TEXT) if file else b""
    sha256 = hashlib.sha256(canonical([release, point.value, hashlib.sha256(content).hexdigest()])).hexdigest()
    return _model(PluginSource(shown, f"plug-in {name} of {release}", sha256, cls), name, offered, model_args or {})


def wrap(model: Any) -> PluginEncoder | PluginClassifier | ObjectAnswerer:
    """Wrap a model object of the caller, and create a record for it; raises errors as `load_file` does."""
    cls = type(model)
    shown = f"the object of class {cls.__name__}"
    try:
        content = inspect.getsource(cls)
    except (OSError, TypeError):
        content = cls.__qualname__
    source = PluginSource(shown, f"Python object {cls.__name__}", hashlib.sha256(content.encode()).hexdigest(), cls)
    name = str(getattr(model, "name", None) or cls.__name__)
    if callable(getattr(model, CLASSIFIES, None)):
        return _classifier(source, model, name, {})
    if all(callable(getattr(model, method, None)) for method in METHODS):
        return PluginEncoder(model, _record(source, model, name, {}), shown)
    stated = str(getattr(model, "fingerprint", ""))
    record = ModelRecord(
        name=name, kind=source.kind, fingerprint=hashlib.sha256(canonical([source.sha256, stated])).hexdigest(), sha256=source.sha256,
        parameters=_parameters(model), dimensions=0, dtype="own dtype", score_rule="softmax", logit_scale=1.0, logit_bias=None,
        architecture="the object's own", preprocessing="the object's own", tokenizer="the object's own",
    )  # fmt: skip
    log_notes(record)
    return ObjectAnswerer(model, record, shown)


class ObjectAnswerer:
    """An object that answers questions, with checks of its likelihoods."""

    def __init__(self, model: Any, record: ModelRecord, shown: str):
        self.record = record
        self._model, self._shown = model, shown

    def log_likelihoods(self, images: Sequence[Image.Image], questions: Sequence[Question]) -> Float[np.ndarray, "n k"]:
        """One row per image: options of all questions in adjacent columns."""
        rows = call_user_code(lambda: self._model.log_likelihoods(list(images), list(questions)), self._shown, "log_likelihoods", True)
        return _check_rows(rows, (len(images), sum(len(question.options) for question in questions)), f"{self._shown}, log_likelihoods")


def _model(source: PluginSource, name: str, offered: Mapping[str, str], model_args: Mapping[str, str]) -> PluginEncoder | PluginClassifier:
    shown, cls = source.shown, source.cls
    classifies = callable(getattr(cls, CLASSIFIES, None))
    if missing := [method for method in METHODS if not classifies and not callable(getattr(cls, method, None))]:
        raise UsageError(f"{shown} has no method {' and no method '.join(missing)}", fix=f"write {FORM}")
    arguments = _arguments(source, offered, model_args)
    plugin = call_user_code(lambda: cls(**arguments), shown, "making one")
    if classifies:
        return _classifier(source, plugin, str(getattr(plugin, "name", None) or name), arguments)
    record = _record(source, plugin, str(getattr(plugin, "name", None) or name), arguments)
    log_notes(record)
    return PluginEncoder(plugin, record, shown)


def _arguments(source: PluginSource, offered: Mapping[str, str], model_args: Mapping[str, str]) -> dict[str, str]:
    """The arguments of the constructor: model_args, and device and dtype if it accepts them."""
    parameters = call_user_code(lambda: inspect.signature(source.cls), source.shown, "looking at its constructor").parameters.values()
    takes = [parameter.name for parameter in parameters if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)]
    anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    if unknown := [name for name in model_args if name not in takes and not anything]:
        why = f"its constructor takes {', '.join(takes) or 'nothing'}"
        raise UsageError(f"{source.shown} takes no {', '.join(unknown)}", where="--model-args", why=why, fix="leave it out")
    arguments = {**{name: value for name, value in offered.items() if name in takes}, **model_args}
    if needed := [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty and parameter.name in takes and parameter.name not in arguments
    ]:
        fix = f"--model {source.shown} --model-args '{' '.join(f'{name}=...' for name in needed)}'"
        raise UsageError(f"{source.shown} needs {', '.join(needed)}", why="its constructor has no default for it", fix=fix)
    return arguments


def _call_method(plugin: Any, method: str, items: list[Any], shown: str, *, wide: int | None = None, retried: bool = False) -> np.ndarray:
    """The checked rows of a method. `retried`: the caller retries with fewer items if memory runs out."""
    rows = call_user_code(lambda: getattr(plugin, method)(items), shown, method, retried)
    return _check_rows(rows, (len(items), wide), f"{shown}, {method}")


def _record(source: PluginSource, plugin: Any, name: str, arguments: Mapping[str, str]) -> ModelRecord:
    # Two images and two texts are embedded, so that errors occur now.
    images = _call_method(plugin, "encode_images", _pictures(), source.shown)
    texts = _call_method(plugin, "encode_texts", list(TRIED), source.shown, wide=images.shape[1])
    scale, bias = (_number(plugin, attribute, source.shown) for attribute in ("logit_scale", "logit_bias"))
    rows = np.concatenate([images, texts])
    lengths = np.linalg.norm(rows, axis=1)
    notes = [Note("plugin_unchecked"), Note("plugin_tried", {"texts": TRIED})]
    notes += [Note("override", {"name": key, "value": value}) for key, value in arguments.items() if key not in ("device", "dtype")]
    if not np.allclose(lengths, 1, atol=1e-3):
        notes.append(Note("guessed_cosine_scores", {"shortest": float(lengths.min()), "longest": float(lengths.max())}))
    if scale is None:
        notes.append(Note("guessed_logit_scale", {"scale": LOGIT_SCALE}))
    return ModelRecord(
        name=name, kind=source.kind, sha256=source.sha256, parameters=_parameters(plugin), dimensions=images.shape[1],
        fingerprint=_fingerprint([source.sha256, source.kind, arguments, str(getattr(plugin, "fingerprint", None))], rows),
        dtype=arguments.get("dtype", "own dtype"), score_rule="softmax" if bias is None else "sigmoid",
        logit_scale=LOGIT_SCALE if scale is None else scale, logit_bias=bias, notes=tuple(notes),
        architecture="the plug-in's own", preprocessing="the plug-in's own", tokenizer="the plug-in's own",
    )  # fmt: skip


def _classifier(source: PluginSource, plugin: Any, name: str, arguments: Mapping[str, str]) -> PluginClassifier:
    """A plug-in with labels, tried with two images, so that errors occur now."""
    stated = call_user_code(lambda: list(plugin.labels), source.shown, "reading labels")
    independent = bool(getattr(plugin, "independent", False)) or len(stated) == 1
    labels, notes = named_labels(stated, source.shown)
    rows = _probabilities(plugin, _pictures(), source.shown, len(stated))
    if not independent and not np.allclose(rows.sum(axis=1), 1, atol=1e-3):
        why = f"the probabilities of an image sum to {rows.sum(axis=1)[0]:.4g}"
        fix = "return a softmax, or set independent = True if each label has a probability of its own"
        raise DataError("the plug-in's probabilities do not sum to 1", where=f"{source.shown}, {CLASSIFIES}", why=why, fix=fix)
    overrides = (Note("override", {"name": key, "value": value}) for key, value in arguments.items() if key not in ("device", "dtype"))
    record = ModelRecord(
        name=name, kind=f"{source.kind} (image classifier)", sha256=source.sha256, parameters=_parameters(plugin), dimensions=len(labels),
        fingerprint=_fingerprint([source.sha256, source.kind, arguments, labels, str(getattr(plugin, "fingerprint", None))], rows),
        dtype=arguments.get("dtype", "own dtype"), score_rule="sigmoid" if independent else "softmax", logit_scale=1.0, logit_bias=None,
        architecture="the plug-in's own", preprocessing="the plug-in's own", tokenizer="none", labels=labels,
        notes=(Note("plugin_classifier_unchecked"), *overrides, *notes),
    )  # fmt: skip
    log_notes(record)
    return PluginClassifier(plugin, record, source.shown, len(stated))


def _probabilities(plugin: Any, images: list[Any], shown: str, columns: int) -> np.ndarray:
    """The checked probabilities of images."""
    rows = call_user_code(lambda: plugin.classify_images(images), shown, CLASSIFIES, True)
    rows = _check_rows(rows, (len(images), columns), f"{shown}, {CLASSIFIES}", directed=False)
    if rows.min() < 0 or rows.max() > 1 + 1e-6:
        why = f"they run from {rows.min():.4g} to {rows.max():.4g}"
        raise DataError("the plug-in gave no probabilities", where=f"{shown}, {CLASSIFIES}", why=why, fix="return values from 0 to 1")
    return rows.clip(0, 1)


def _pictures() -> list[Any]:
    """Two images with which every plug-in is tested when it is loaded."""
    from PIL import Image

    return [Image.linear_gradient("L").convert("RGB"), Image.new("RGB", (64, 48), (200, 120, 40))]


def _fingerprint(decisive: list[Any], rows: np.ndarray) -> str:
    """Hash everything known to affect the rows, and those of the samples: weights may change while the plug-in's file does not."""
    places = 3 - int(np.floor(np.log10(np.abs(rows).max())))
    seen = hashlib.sha256((np.round(rows.astype(np.float64), places) + 0.0).tobytes()).hexdigest()
    return hashlib.sha256(canonical([*decisive, seen, PIL.__version__.split(".")[0]])).hexdigest()


def _number(plugin: Any, name: str, shown: str) -> float | None:
    """An attribute that is a number, None if there is no such attribute."""
    value = getattr(plugin, name, None)
    if value is None:
        return None
    number = call_user_code(lambda: float(value), shown, f"reading {name}")
    if not math.isfinite(number) or (name == "logit_scale" and number <= 0):
        raise DataError(f"the plug-in's {name} is {number}", where=shown, fix="a finite number, the scale above 0 and not its logarithm")
    return float(number)


def _parameters(plugin: Any) -> int:
    """Count the weights in the torch modules of a plug-in."""
    parts = [value for value in getattr(plugin, "__dict__", {}).values() if callable(getattr(value, "parameters", None))]
    return sum(int(weight.numel()) for part in parts for weight in part.parameters() if hasattr(weight, "numel"))


def _check_rows(rows: Any, shape: tuple[int, int | None], where: str, *, directed: bool = True) -> np.ndarray:
    """Rows as float32; raises DataError unless there is one per item, with finite numbers that (if `directed`) are not all zero."""
    count, wide = shape
    try:
        if rows is None:
            raise TypeError("a method without a return statement does that")
        if hasattr(rows, "detach"):  # a tensor, on any device
            rows = rows.detach().float().cpu().numpy()
        array = np.asarray(rows, dtype=np.float32)
    except (TypeError, ValueError, AttributeError) as error:
        why = f"it returned a value of type {type(rows).__name__}: {str(error)[:200]}"
        fix = "return one row of numbers for each item"
        raise DataError("the plug-in gave no array of numbers", where=where, why=why, fix=fix) from error
    if array.ndim != 2 or array.shape[0] != count or array.shape[1] != (wide or array.shape[1]) or not array.size:
        why, fix = f"expected ({count}, {wide or 'd'})", "return one row for each item; rows of images and of texts are equally long"
        raise DataError(f"the plug-in gave an array of shape {array.shape}", where=where, why=why, fix=fix)
    if (bad := np.flatnonzero(~np.isfinite(array).all(axis=1))).size:
        why = f"{bad.size} of {count} rows, the first is number {bad[0]}"
        raise DataError("the plug-in gave numbers that are NaN or infinite", where=where, why=why, fix="look for a division by zero in it")
    if directed and (zero := np.flatnonzero(~array.any(axis=1))).size:
        why = f"row {zero[0]} has no direction, so it cannot be normalised, and a cosine with it means nothing"
        raise DataError("the plug-in gave a row of zeros", where=where, why=why, fix="give every image and every text a row with a length")
    return array
