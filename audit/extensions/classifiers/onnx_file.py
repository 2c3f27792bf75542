"""Image classifiers in an ONNX file, run by onnxruntime: ``onnx:FILE``.

The file holds neither how images are prepared nor what its labels are called. Both come from files of transformers beside it
(``preprocessor_config.json``, ``config.json``) or from ``--model-args``; what neither states is not guessed.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from PIL import Image

from audit.errors import AuditError, DataError, MachineError, UsageError, nearest
from audit.models.labels import Scores, logits_from, named_labels, score_rule
from audit.models.runtime import canonical, located, log_notes
from audit.types import Group, ModelRecord, Note
from contrastive.model.preprocess import Preprocess
from strictio.files import read_text
from strictio.model_folders.check import check_folder
from strictio.model_folders.configurations import read_configuration
from strictio.schema import from_dict, record
from strictio.weights.onnx_file import EXPORT, OnnxFile, OnnxTensor, check_onnx
from strictio.weights.onnx_session import OnnxSession

if TYPE_CHECKING:
    from jaxtyping import Float

Channels = tuple[float, float, float]
PREPARED = ("mean", "std", "interpolation", "resize_mode")
"""What is stated about images if no file beside the model does."""
FORM = "--model-args 'labels=labels.txt scores=softmax mean=0.5,0.5,0.5 std=0.5,0.5,0.5 interpolation=bilinear resize_mode=squash'"
FINAL: Mapping[str, Scores] = {"Softmax": "probabilities", "Sigmoid": "independent"}
"""Last operators after which an output has probabilities."""
MOST_LINES = 2**24
"""Maximum number of bytes of a list of labels."""


@record
class OnnxSettings:
    """What a user states about an ONNX file. None: not stated."""

    labels: str | None = None
    """A text file with one label per line, in the order of the outputs."""
    scores: Scores | None = None
    output: str | None = None
    """The name of the output with the scores, if there are several."""
    size: int | None = None
    """Width and height of its images, if the graph accepts any."""
    mean: Channels | None = None
    std: Channels | None = None
    interpolation: Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"] | None = None
    resize_mode: Literal["shortest", "squash"] | None = None

    @classmethod
    def of(cls, words: Mapping[str, str]) -> OnnxSettings:
        """Read ``--model-args``; raises UsageError for an unknown name or an invalid value."""
        known = [field.name for field in dataclasses.fields(cls)]
        if unknown := [name for name in words if name not in known]:
            raise UsageError(f"unknown setting of an ONNX file: {unknown[0][:80]!r}", where="--model-args", fix=nearest(unknown[0], known))
        values = {name: text.split(",") if name in ("mean", "std") else text for name, text in words.items()}
        try:
            return from_dict(cls, values, "")
        except UsageError as error:
            raise UsageError(error.what.removeprefix("."), where="--model-args", why=error.why, fix=error.fix or FORM) from error

    def given(self) -> dict[str, str]:
        """What was stated, as text; of the list of labels only its name."""
        values = {field.name: value for field in dataclasses.fields(self) if (value := getattr(self, field.name)) is not None}
        return {name: Path(value).name if name == "labels" else str(value) for name, value in values.items()}


@dataclass(frozen=True)
class PreparedPixels:
    """How images are prepared."""

    of_images: Callable[[Sequence[Image.Image]], np.ndarray]
    """float32[n, 3, height, width]."""
    described: str
    decisive: Mapping[str, Any]


class OnnxClassifier:
    """A graph in an onnxruntime session, in a locked child."""

    def __init__(self, session: Any, names: tuple[OnnxTensor, str], pixels: PreparedPixels, scores: Scores, record: ModelRecord):
        self.record = record
        self._session, (self._input, self._output) = session, names
        self._pixels, self._scores = pixels, scores
        self._last = self._input.shape[1] != 3
        """Whether channels come last."""

    @property
    def labels(self) -> Group:
        return self.record.labels

    def encode_images(self, images: Sequence[Image.Image]) -> Float[np.ndarray, "n k"]:
        """The logits of all labels."""
        prepared = self._pixels.of_images(images)
        prepared = prepared.transpose(0, 2, 3, 1) if self._last else prepared
        fed = np.ascontiguousarray(prepared, np.float16 if self._input.dtype == "FLOAT16" else np.float32)
        size = self._input.shape[0] or len(fed)  # a graph may accept a fixed number of images
        if len(fed) % size:
            fed = np.concatenate([fed, np.repeat(fed[-1:], size - len(fed) % size, axis=0)])
        rows = [self._session.run([self._output], {self._input.name: fed[i : i + size]})[0] for i in range(0, len(fed), size)]
        return logits_from(np.concatenate(rows)[: len(images)].reshape(len(images), -1), self._scores)


def load(path: Path, *, name: str, device: str, dtype: str, model_args: Mapping[str, str] | None = None) -> OnnxClassifier:
    """Load an ONNX file; `model_args`: the fields of `OnnxSettings`.

    Raises UsageError if labels, scores or preprocessing are not stated; UnsafeError for custom operators, or external data outside its
    folder; DataError if it is not an image classifier; MachineError without onnxruntime.
    """
    if dtype != "float32":
        raise UsageError(f"--dtype {dtype} cannot be used with an ONNX file", why="its data types are part of its graph")
    settings = OnnxSettings.of(model_args or {})
    with located(str(path)):
        file, config = check_onnx(path), _configuration(path)
        pictures, output = _only_input(file), _chosen_output(file, settings)
        scores = settings.scores or FINAL.get(file.last.get(output, "")) or _scores_of(config)
        names = _names(settings, config)
        pixels = _of_processor(path) or _of_settings(pictures, settings)
    if names is None or scores is None or pixels is None:
        missing = [what for what, value in (("labels", names), ("scores", scores)) if value is None]
        missing += [] if pixels else _unstated(pictures, settings)
        why = "an ONNX file does not say how images are prepared, or what its labels are called; nothing of it is guessed"
        fix = f"save config.json and preprocessor_config.json beside it, or: {FORM}"
        raise UsageError(f"not stated for this ONNX file: {', '.join(missing)}", where=str(path), why=why, fix=fix)
    with located(str(path)):
        record = _record(file, name, device, (names, scores, pixels), settings)
        classifier = OnnxClassifier(_session(file, device), (pictures, output), pixels, scores, record)
        _try(classifier)
    log_notes(record)
    return classifier


def _configuration(path: Path) -> dict[str, Any]:
    """The ``config.json`` of transformers beside the file; empty without one."""
    beside = path.parent / "config.json"
    return read_configuration(beside) if beside.is_file() else {}


def _scores_of(config: Mapping[str, Any]) -> Scores | None:
    """By a configuration of transformers, as in its pipeline: the exported output has logits."""
    if not config.get("id2label"):
        return None
    return "sigmoid" if config.get("problem_type") == "multi_label_classification" or len(config["id2label"]) == 1 else "softmax"


def _names(settings: OnnxSettings, config: Mapping[str, Any]) -> list[object] | None:
    """The labels in the order of the outputs, from the user's list or a configuration."""
    if settings.labels is not None:
        listed = Path(settings.labels)
        try:
            lines = read_text(listed, MOST_LINES, "utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise DataError(f"cannot read the labels in {settings.labels!r}", why=why, fix="give one label per line") from error
        return [line.strip() for line in lines if line.strip()]
    named = config.get("id2label")
    if not isinstance(named, dict) or not named:
        return None
    if sorted(named) != sorted(map(str, range(len(named)))):
        why = f"id2label names the positions {', '.join(named)[:80]}"
        raise DataError("the labels of config.json are incomplete", why=why, fix="name every label, from 0 up")
    return [named[str(position)] for position in range(len(named))]


def _only_input(file: OnnxFile) -> OnnxTensor:
    tensor = file.inputs[0] if len(file.inputs) == 1 else None
    channels = tensor.shape[1:4:2] if tensor is not None and len(tensor.shape) == 4 else ()
    if tensor is None or tensor.dtype not in ("FLOAT", "FLOAT16") or 3 not in channels:
        shown = ", ".join(f"{one.name[:40]}: {one.dtype} {list(one.shape)}" for one in file.inputs[:5]) or "none"
        why = f"one input of images is expected, float [n, 3, height, width] or [n, height, width, 3]; found {shown}"
        raise DataError("this ONNX file is not an image classifier", why=why, fix=EXPORT)
    return tensor


def _chosen_output(file: OnnxFile, settings: OnnxSettings) -> str:
    names = [tensor.name for tensor in file.outputs]
    if settings.output is not None and settings.output not in names:
        raise UsageError(f"no output {settings.output!r}", where="--model-args", fix=nearest(settings.output, names))
    if settings.output is None and len(names) > 1:
        shown = ", ".join(names[:10])
        raise UsageError("this ONNX file has several outputs", why=f"they are {shown}", fix="--model-args output=NAME: the one with scores")
    return settings.output or names[0]


def _of_processor(path: Path) -> PreparedPixels | None:
    """The preprocessing of a ``preprocessor_config.json`` beside the file, by transformers."""
    if not (path.parent / "preprocessor_config.json").is_file():
        return None
    from audit.models.huggingface.opened import describe_preprocessing, image_settings
    from audit.models.huggingface.pixels import image_processor, resize_library
    from audit.models.huggingface.sealed import sealed

    check_folder(path.parent, path.parent, required=None)
    with sealed():
        processor = image_processor(path.parent)
    described = image_settings(processor)

    def of_images(images: Sequence[Image.Image]) -> np.ndarray:
        return np.asarray(processor(images=list(images), return_tensors="pt")["pixel_values"])

    return PreparedPixels(of_images, describe_preprocessing(described), {**described, "library": resize_library(processor)})


def _sides(pictures: OnnxTensor) -> tuple[int | None, ...]:
    """Height and width of the images of a graph."""
    return pictures.shape[2:] if pictures.shape[1] == 3 else pictures.shape[1:3]


def _unstated(pictures: OnnxTensor, settings: OnnxSettings) -> list[str]:
    """The settings of the preprocessing that are missing."""
    names = ["size"] if settings.size is None and None in _sides(pictures) else []
    return [*names, *(what for what in PREPARED if getattr(settings, what) is None)]


def _of_settings(pictures: OnnxTensor, settings: OnnxSettings) -> PreparedPixels | None:
    """The preprocessing that the user states; None if a part is missing."""
    if _unstated(pictures, settings):
        return None
    height, width = _sides(pictures)
    size = settings.size or height
    if {height, width} - {None, size}:
        why = f"its graph takes {height} x {width} pixels, and size is {size}; only squares can be stated here"
        raise UsageError("the size does not fit the ONNX file", why=why, fix="save preprocessor_config.json beside it")
    stated = {what: getattr(settings, what) for what in PREPARED}
    preprocess = Preprocess.from_dict({"size": size, **stated})
    described = (
        f"size {size}, {preprocess.resize_mode}, {preprocess.interpolation}, mean {preprocess.mean}, std {preprocess.std}, stated by hand"
    )
    return PreparedPixels(lambda images: preprocess(images).numpy(), described, preprocess.to_dict())


def _session(file: OnnxFile, device: str) -> Any:
    """A session on the processor in a locked child; on a GPU, whose driver opens files of the system, in this process."""
    try:
        return OnnxSession(file, torch.get_num_threads()) if device.partition(":")[0] == "cpu" else _session_here(file, device)
    except ImportError as error:
        why = "ONNX files are run by onnxruntime"
        raise MachineError("the extra [onnx] is not installed", why=why, fix="pip install 'vlm-audit[onnx]'") from error
    except AuditError:
        raise
    except Exception as error:  # onnxruntime's own exceptions share no other class
        raise DataError("onnxruntime cannot load this file", why=" ".join(str(error).split())[:300], fix=EXPORT) from error


def _session_here(file: OnnxFile, device: str) -> Any:
    import onnxruntime

    kind, _, index = device.partition(":")
    provider = {"cuda": "CUDAExecutionProvider"}.get(kind)
    if provider not in onnxruntime.get_available_providers():
        why = f"this onnxruntime has {', '.join(onnxruntime.get_available_providers())}"
        raise MachineError(f"onnxruntime cannot use the device {device!r}", why=why, fix="--device cpu")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.load_model_format", "ONNX")  # by itself it would look for its own format
    if file.external:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(file.path.parent))
    chosen = (provider, {"device_id": index}) if index else provider
    return onnxruntime.InferenceSession(file.checked, sess_options=options, providers=[chosen])


def _record(
    file: OnnxFile, name: str, device: str, read: tuple[Sequence[object], Scores, PreparedPixels], settings: OnnxSettings
) -> ModelRecord:
    from importlib.metadata import version

    (names, scores, pixels), runtime = read, ".".join(version("onnxruntime").split(".")[:2])
    labels, notes = named_labels(names, str(file.path))
    stated = [Note("override", {"name": key, "value": value}) for key, value in settings.given().items()]
    decisive = {
        "weights": file.sha256, "labels": labels, "scores": scores, "output": settings.output, "preprocessing": pixels.decisive,
        "onnxruntime": runtime, "device": device.partition(":")[0],
    }  # fmt: skip
    return ModelRecord(
        name=name, kind="ONNX image classifier", fingerprint=hashlib.sha256(canonical(decisive)).hexdigest(), sha256=file.sha256,
        parameters=file.parameters, dimensions=len(labels), dtype="float32", score_rule=score_rule(scores, len(names)), logit_scale=1.0,
        logit_bias=None, architecture=f"an ONNX graph, run by onnxruntime {runtime}", preprocessing=pixels.described, tokenizer="none",
        labels=labels,
        notes=(*stated, Note("onnx_scores", {"scores": scores}), *notes),
    )  # fmt: skip


def _try(classifier: OnnxClassifier) -> None:
    """Classify a plain image; raises DataError if parts do not fit together."""
    labels = classifier.labels
    try:
        rows = classifier.encode_images([Image.new("RGB", (64, 48), (90, 120, 150))])
    except AuditError:
        raise
    except Exception as error:  # onnxruntime's own exceptions share no other class
        why = " ".join(str(error).split())[:300]
        raise DataError("this ONNX file does not classify an image", why=why, fix="check its preprocessing, or export it again") from error
    if rows.shape != (1, len(labels)):
        what = f"the ONNX file returns {rows.shape[-1]} scores per image, and {len(labels)} labels are named"
        raise DataError(what, fix="--model-args labels=FILE with one label per line")
    _check_probabilities(classifier, rows)


def _check_probabilities(classifier: OnnxClassifier, rows: np.ndarray) -> None:
    if classifier._scores == "probabilities" and abs(float(np.exp(rows.astype(float)).sum()) - 1) > 1e-2:
        why = f"those of a plain image sum to {float(np.exp(rows.astype(float)).sum()):.3g}"
        raise DataError(
            "its scores are not probabilities that sum to 1", why=why, fix="--model-args scores=softmax, sigmoid or independent"
        )
