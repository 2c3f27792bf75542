"""``open_clip:ARCH,FILE|TAG``: any architecture of open_clip, with weights read by our reader, and open_clip's own tokenizer and transform.

open_clip builds the model and computes; it opens no file that a user or a hub names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.func import functional_call

from audit.errors import DataError, UsageError
from audit.models import single_file
from audit.models.attack import PixelScale, attacked_rows
from audit.models.folder_weights import adapter_notes, file_sha256, foreign_class_notes
from audit.models.huggingface.outline import build_outline
from audit.models.huggingface.pretrained import call_transformers, tokenizer_sha256
from audit.models.huggingface.sealed import sealed
from audit.models.model_args import override_notes, read_overrides
from audit.models.open_clip.spec import IMAGE_SETTINGS, OpenClipSpec, fetch_parts, from_folder, from_name, import_open_clip
from audit.models.quick_gelu import QuickGELUFold
from audit.models.runtime import canonical, located, log_notes, model_record, require_length, scoring, to_rows, torch_setting
from audit.models.tower import ImageTower, OnTower
from audit.types import ModelRecord, Note
from strictio.model_folders.check import check_folder
from strictio.model_folders.tokenizers import bounded_tokenizer, check_tokenizer
from strictio.weights.adapter import refuse_beside
from strictio.weights.fill import SCALARS, check_fit, skip_init
from strictio.weights.unwrap import unwrap
from strictio.weights.weight_names import from_hugging_face, without_text_prefix

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

    from strictio.weights.contents import Contents
    from strictio.weights.overrides import ModelOverrides

# open_clip's transform in two parts: Pillow's steps for each image, and torch's steps for the bytes of a batch.


class OpenClipPixels:
    """A transform that ends with ``ToTensor`` and ``Normalize``, like those of open_clip: both are applied per batch.

    Other transforms are applied completely, image by image.
    """

    def __init__(self, transform: Any, size: int | Sequence[int]):
        self.size: int = min(size) if isinstance(size, Sequence) else size
        self._transform, steps = transform, getattr(transform, "transforms", [])
        self._split = [type(step).__name__ for step in steps[-2:]] in (["ToTensor", "Normalize"], ["MaybeToTensor", "Normalize"])

    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """uint8[n, 3, h, w]; for other transforms their output."""
        return torch.stack([self._prepared(image) for image in images])

    def normalise(self, pixels_nchw: Tensor) -> Tensor:
        """float32 of the same shape, on the same device."""
        if not self._split:
            return pixels_nchw
        normalised: Tensor = self._transform.transforms[-1](pixels_nchw.float().div(255))
        return normalised

    def _prepared(self, image: Any) -> Tensor:
        if not self._split:
            whole: Tensor = self._transform(image)
            return whole
        for step in self._transform.transforms[:-2]:
            image = step(image)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


# Builds open_clip's own classes with weights from our reader: strictly, without a random weight left, and without downloading anything.


def build_architecture(plan: OpenClipSpec, tensors: Mapping[str, torch.Tensor]) -> Any:
    """Build the model of a plan with open_clip, its weights not yet loaded; an untrusted plan may not exceed `tensors`."""
    open_clip = import_open_clip()
    settings = deepcopy(dict(plan.config))
    custom = settings.pop("custom_text", False) or bool(settings["text_cfg"].get("hf_model_name"))
    if settings["vision_cfg"].get("timm_model_name"):
        settings["vision_cfg"]["timm_model_pretrained"] = False
    cls = (open_clip.CoCa if "multimodal_cfg" in settings else open_clip.CustomTextCLIP) if custom else open_clip.CLIP
    if not plan.trusted:
        build_outline(lambda: cls(**deepcopy(settings)), tensors)
    with skip_init():
        return cls(**settings)


def fill_weights(model: Any, tensors: Mapping[str, torch.Tensor]) -> None:
    """Load a model's weights, strictly, from any of the naming schemes that open_clip itself knows."""
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    state = convert_state_dict(model, dict(tensors))
    if "vision_model.embeddings.class_embedding" in state:
        state = from_hugging_face(state)
    state = convert_to_custom_text_state_dict(state) if hasattr(model, "text") else without_text_prefix(state)
    wanted = model.state_dict()
    state = {
        name: tensor.reshape(wanted[name].shape) if name in SCALARS and name in wanted and tensor.numel() == 1 else tensor
        for name, tensor in state.items()
    }
    check_fit(wanted, state)
    model.load_state_dict(state, strict=True, assign=True)


class OpenClipEncoder(OnTower):
    """A dual encoder built by open_clip."""

    def __init__(self, model: Any, transform: Any, tokenizer: Any, record: ModelRecord, setting: tuple[torch.device, torch.dtype]):
        self.record = record
        self._model, self._transform, self._tokenizer = model, transform, tokenizer
        self._device, self._dtype = setting
        self._fold = QuickGELUFold(model, setting, self)
        super().__init__(ImageTower(model, "encode_image", OpenClipPixels(transform, model.visual.image_size), setting, self._fold))

    def encode_texts(self, texts: Sequence[str]) -> Float[np.ndarray, "k d"]:
        """One row per text; raises DataError for a text that is too long."""
        require_length(self.record, list(map(repr, texts)), self.count_tokens(texts), self.context)
        with torch.inference_mode():
            ids = self._tokenizer(list(texts)).to(self._device)
            return to_rows(self._fold.run("text", lambda rows: _text_features(self._model, ids[rows]), len(ids)))

    @property
    def context(self) -> int:
        """Maximum number of tokens."""
        return int(self._tokenizer.context_length)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each text before truncation, including those at its start and end."""
        return [_length(self._tokenizer, text) for text in texts]

    def attacked(
        self, images: Sequence[Image.Image], texts: Float[np.ndarray, "k d"], right: Sequence[int], budget: float, steps: int
    ) -> Float[np.ndarray, "n d"] | None:
        """The embeddings after pixels moved against the right text by at most `budget` / 255 (`audit.models.attack`).

        None if the transform does not end with normalising whole pixels.
        """
        last = self._transform.transforms[-1]
        if not hasattr(last, "mean") or not hasattr(last, "std"):
            return None
        scale = PixelScale(tuple(last.mean), tuple(last.std))
        pixels = scale.pixels(torch.stack([self._transform(image) for image in images]).to(self._device))
        if pixels is None:
            return None

        def encode(pixels_nchw: torch.Tensor) -> torch.Tensor:
            features: torch.Tensor = self._model.encode_image(scale.inputs(pixels_nchw).to(self._dtype))
            return features

        return attacked_rows(encode, pixels, texts, right, budget, steps)


def load(text: str, *, model_args: Mapping[str, str] | None = None, **setting: str) -> OpenClipEncoder:
    """Load ``ARCH,FILE`` or ``ARCH,TAG``; `setting` are name, device and dtype.

    `model_args` may set what an architecture does not define: image mean and std, interpolation, resize mode, a tokenizer's folder.
    """
    overrides = allowed_overrides(model_args)
    return _encoder(*from_name(text), overrides, setting)


def load_folder(folder: Path, *, model_args: Mapping[str, str] | None = None, **setting: str) -> OpenClipEncoder:
    """Load a folder with ``open_clip_config.json`` and weights; nothing in it is run, and no link may leave it."""
    overrides = allowed_overrides(model_args)
    return _encoder(*from_folder(folder), overrides, setting)


def allowed_overrides(model_args: Mapping[str, str] | None) -> ModelOverrides:
    """Parse what the user may set for an architecture; raises UsageError for what its name determines."""
    overrides = read_overrides(model_args or {})
    # Everything else is part of the architecture's name.
    if refused := [fact for fact in overrides.given() if fact not in (*IMAGE_SETTINGS, "tokenizer", "weights", "adapter")]:
        what = f"--model-args {', '.join(refused)} cannot be set for a model of open_clip"
        fix = "leave it out, or name another architecture: --model open_clip:ARCH,FILE"
        raise UsageError(what, why="its architecture decides it", fix=fix)
    return overrides


def _encoder(plan: OpenClipSpec, path: Path, overrides: ModelOverrides, setting: single_file.EncoderSettings) -> OpenClipEncoder:
    """Build the architecture of a plan and load its weights from a file."""
    contents = single_file.read(path)
    with located(str(path)):
        ignored = refuse_beside(path.parent, overrides.adapter is not None)
        weights = unwrap(contents.data, overrides.weights, overrides.adapter)
    _check_activation(plan, weights.from_openai, path)
    device_and_dtype = torch_setting(setting["device"], setting["dtype"])
    plan = fetch_parts(replace(plan, tokenizer=tokenizer_folder(overrides, plan.tokenizer)))
    with located(str(path)), sealed():
        tokenizer = call_transformers(path, lambda _: _tokenizer(plan))
        _check_vocabulary(plan, tokenizer, path)
        model = call_transformers(path, lambda _: build_architecture(plan, weights.tensors))
        fill_weights(model, weights.tensors)
        model = model.to(*device_and_dtype).eval()
        preprocess = image_preprocessing(plan, model, overrides)
        guesses = (*override_notes(overrides), *_guess_notes(plan, preprocess, overrides))
        record = replace(
            _record(plan, model, preprocess, tokenizer, contents, setting),
            notes=(*guesses, *plan.notes, *weights.notes, *adapter_notes(ignored), *foreign_class_notes(contents.unknown)),
        )
        prepare = import_open_clip().transform
        transform = prepare.image_transform_v2(prepare.PreprocessCfg(**preprocess), is_train=False)
        encoder = OpenClipEncoder(model, transform, tokenizer, record, device_and_dtype)
        call_transformers(path, lambda _: _check_output(encoder))
    log_notes(record)
    return encoder


def _check_activation(plan: OpenClipSpec, from_openai: bool, path: Path) -> None:
    if from_openai and not plan.config.get("quick_gelu"):
        fix = f"--model open_clip:{plan.name}-quickgelu,{path}"
        why = "OpenAI's models have QuickGELU (the file has OpenAI's size buffers); every number would be wrong"
        raise DataError(f"the weights do not belong to {plan.name}, which has GELU", where=str(path), why=why, fix=fix)


def tokenizer_folder(overrides: ModelOverrides, default: Path | None) -> Path | None:
    """The folder of the tokenizer, None for CLIP's own; raises DataError if it does not exist."""
    if overrides.tokenizer is None:
        return default
    folder = Path(overrides.tokenizer)
    if not folder.is_dir():
        raise DataError("tokenizer folder not found", where=overrides.tokenizer, fix="--model-args tokenizer=DIR")
    check_folder(folder, folder, required=None)
    return folder


def _tokenizer(plan: OpenClipSpec) -> Any:
    open_clip = import_open_clip()
    text = plan.config["text_cfg"]
    context = text.get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH)
    options = dict(text.get("tokenizer_kwargs") or {})
    if plan.tokenizer is None:
        return open_clip.SimpleTokenizer(context_length=context, **options)
    options |= {"context_length": context, "tokenizer_mode": text.get("tokenizer_mode"), "local_files_only": True}
    check_tokenizer(plan.tokenizer)
    made = open_clip.tokenizer.HFTokenizer(str(plan.tokenizer), **options)
    made.tokenizer = bounded_tokenizer(made.tokenizer)
    return made


def _check_vocabulary(plan: OpenClipSpec, tokenizer: Any, path: Path) -> None:
    """Raise DataError for CLIP's own vocabulary with a smaller token table: its ids mean other words there, or nothing."""
    rows = plan.config["text_cfg"].get("vocab_size")
    if plan.tokenizer is None and isinstance(rows, int) and rows < tokenizer.vocab_size:
        why = f"it has {rows:,} entries, the tokenizer {tokenizer.vocab_size:,}"
        fix = "audit the checkpoint that was exported, or its export --to huggingface, which brings the tokenizer"
        raise DataError("the model has another vocabulary than open_clip's tokenizer", where=str(path), why=why, fix=fix)


def image_preprocessing(plan: OpenClipSpec, model: Any, overrides: ModelOverrides) -> dict[str, Any]:
    """open_clip's settings for the images of a model, as published, as in the plan, or as set by the user."""
    overridden = {name: value for name, value in overrides.given().items() if name in IMAGE_SETTINGS}
    if overridden.get("interpolation", "bicubic") not in ("bicubic", "bilinear"):
        where = "--model-args interpolation"
        raise UsageError("open_clip resizes bicubic or bilinear", where=where, fix=f"{where}=bicubic")
    usual, size = vars(import_open_clip().transform.PreprocessCfg()), model.visual.image_size
    return {**usual, **plan.preprocess, **overridden, "size": tuple(size) if isinstance(size, tuple | list) else (size, size)}


def _length(tokenizer: Any, text: str) -> int:
    """Number of tokens of a text before truncation, including those at its start and end."""
    if not hasattr(tokenizer, "tokenizer"):
        return len(tokenizer.encode(text)) + 2
    words = tokenizer.clean_fn(text)
    if tokenizer.tokenizer_mode == "clips":  # open_clip adds start, end and class token
        return len(tokenizer.tokenizer(words, add_special_tokens=False)["input_ids"]) + 3
    return len(tokenizer.tokenizer(words, verbose=False)["input_ids"])


def _guess_notes(plan: OpenClipSpec, preprocess: Mapping[str, Any], overrides: ModelOverrides) -> list[Note]:
    """Notes about image preprocessing that neither the weights' source nor the user states."""
    left = [name for name in IMAGE_SETTINGS if getattr(overrides, name) is None]
    if plan.guess is None or not left:
        return []
    return [replace(plan.guess, values={**plan.guess.values, "settings": tuple(f"{name} {preprocess[name]}" for name in left)})]


def _check_output(encoder: OpenClipEncoder) -> None:
    """Embed one plain image and one text, so that errors occur now."""
    rows = [encoder.encode_images([Image.new("RGB", (64, 64), (90, 120, 150))]), encoder.encode_texts(["a drawing"])]
    if any(row.shape != (1, encoder.record.dimensions) for row in rows):
        why = f"features are {rows[0].shape} and {rows[1].shape}"
        raise DataError(f"{encoder.record.name} has no common space", why=why, fix="name another architecture")


def _record(
    plan: OpenClipSpec, model: Any, preprocess: Mapping[str, Any], tokenizer: Any, contents: Contents, setting: single_file.EncoderSettings
) -> ModelRecord:
    release = ".".join(import_open_clip().__version__.split(".")[:2])
    words = _tokenizer_sha256(tokenizer, plan)
    activation = "quick_gelu" if plan.config.get("quick_gelu") else "gelu"
    dimensions, side = plan.config["embed_dim"], preprocess["size"][0]
    # Without the location of a downloaded part: the same part elsewhere is the same part.
    text = {name: value for name, value in plan.config["text_cfg"].items() if name not in ("hf_model_name", "hf_tokenizer_name")}
    built = {"library": f"open_clip {release}", "class": type(model).__name__, "config": {**plan.config, "text_cfg": text}}
    return model_record(
        model,
        {"architecture": built, "preprocessing": {"library": "open_clip", **preprocess}, "tokenizer": words},
        sha256=contents.sha256,
        dtype=setting["dtype"],
        device=next(model.parameters()).device,
        name=setting["name"],
        kind=f"open_clip {type(model).__name__}, {contents.kind}",
        dimensions=dimensions,
        architecture=f"{plan.name} of open_clip {release} ({side} px; {dimensions} dimensions; {activation})",
        preprocessing=", ".join(f"{name} {preprocess[name]}" for name in ("size", *IMAGE_SETTINGS)),
        tokenizer=f"{type(tokenizer).__name__}, context {tokenizer.context_length}, sha256 {words[:12]}",
        revision=plan.revision,
        **scoring(model),
    )


def _tokenizer_sha256(tokenizer: Any, plan: OpenClipSpec) -> str:
    settings = plan.config["text_cfg"].get("tokenizer_kwargs")
    if plan.tokenizer is not None:
        content = tokenizer_sha256(tokenizer.tokenizer, plan.tokenizer)
    else:
        content = file_sha256([Path(import_open_clip().tokenizer.default_bpe())])
    return hashlib.sha256(canonical([type(tokenizer).__name__, content, tokenizer.context_length, settings])).hexdigest()


class _TextTower(nn.Module):
    def __init__(self, model: Any):
        super().__init__()
        self.model = model

    def forward(self, ids_nl: Tensor) -> Tensor:
        features: Tensor = self.model.encode_text(ids_nl)
        return features


def _text_features(model: Any, ids_nl: Tensor) -> Tensor:
    """float[n, d] for int[n, l], with the batch cut at its longest text if that changes nothing.

    Tokens after the end of a text never reach its feature if attention is causal and the feature is at the end token, the largest id:
    this is so in CLIP itself, where most prompts fill a tenth of the 77 positions. Other towers, such as SigLIP's, use all of their
    context.
    """
    mask = getattr(model, "attn_mask", None)
    if type(model).__name__ != "CLIP" or getattr(model, "text_pool_type", "") != "argmax" or mask is None:
        return _TextTower(model).forward(ids_nl)
    longest = int(ids_nl.argmax(dim=1).max()) + 1
    cut = {"model.positional_embedding": model.positional_embedding[:longest], "model.attn_mask": mask[:longest, :longest]}
    features: Tensor = functional_call(_TextTower(model), cut, (ids_nl[:, :longest],))
    return features
