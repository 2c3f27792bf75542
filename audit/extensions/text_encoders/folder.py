"""Encoders of text alone, from a folder: a transformer, a pooling, dense layers and a normalisation (see `layout`).

The transformer must be built into transformers. Embeddings are those of sentence-transformers for the same folder, except that a text that
is too long is refused and never cut. Such a model reads no image: only probes of texts can ask it anything.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from audit.errors import DataError
from audit.extensions.text_encoders.layout import DenseLayer, TextLayout, is_sentence_transformer, read_layout, weight_folders
from audit.models.folder_weights import Weights, read_weights
from audit.models.huggingface.opened import OpenedFolder, describe_tower, open_folder, without_origin
from audit.models.huggingface.pretrained import (
    build_model,
    built_in_class,
    call_transformers,
    configuration,
    require_complete,
    tokenizer_sha256,
)
from audit.models.huggingface.sealed import sealed
from audit.models.huggingface.tokenizer import load_tokenizer
from audit.models.runtime import log_notes, model_record, require_length, to_rows
from audit.types import ModelRecord
from strictio.model_folders.check import check_folder

if TYPE_CHECKING:
    from jaxtyping import Float

KIND = "text encoder"
"""Beginning of the kind of every model that reads texts alone."""
ENCODER_HALVES = {"t5": "T5EncoderModel", "mt5": "MT5EncoderModel", "umt5": "UMT5EncoderModel"}
"""``model_type`` -> the class of a model's encoder, where the model as a whole also writes."""
TRIED = ("a photo of a cook", "a drawing")
"""Texts that are embedded when a model is loaded, so that parts that do not fit together fail at once."""


class HuggingFaceTextEncoder:
    """An encoder of text alone whose transformer is built into transformers."""

    def __init__(self, model: Any, tokenizer: Any, layout: TextLayout, after: Sequence[Any], device: torch.device):
        self.tokenizer, self.context = tokenizer, _context(model, tokenizer, layout)
        self.record: ModelRecord
        self._model, self._layout, self._after, self._device = model, layout, after, device

    def encode_texts(self, texts: Sequence[str]) -> Float[np.ndarray, "k d"]:
        """Raises DataError for a text that is too long."""
        require_length(self.record, list(map(repr, texts)), self.count_tokens(texts), self.context)
        return self.embed(texts)

    def embed(self, texts: Sequence[str]) -> Float[np.ndarray, "k d"]:
        """The embeddings of texts whose length was checked."""
        inputs = self.tokenizer(self._prepared(texts), padding=True, return_tensors="pt")
        names = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in inputs]
        placed = {name: inputs[name].to(self._device) for name in names}
        with torch.inference_mode():
            tokens = self._model(**placed).last_hidden_state
            mask = placed["attention_mask"] if self._layout.pools_prompt else self._without_prompt(placed["attention_mask"])
            rows = torch.cat([pooled(name, tokens, mask) for name in self._layout.poolings], dim=1)
            for step in self._after:
                rows = step(rows)
        return to_rows(rows)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each text with its prompt, including those at its start and end."""
        return [len(ids) for ids in self.tokenizer(self._prepared(texts), verbose=False)["input_ids"]]

    def _prepared(self, texts: Sequence[str]) -> list[str]:
        whole = [self._layout.prompt + text for text in texts]
        return [text.lower() for text in whole] if self._layout.lower_case else whole

    def _without_prompt(self, mask: torch.Tensor) -> torch.Tensor:
        """The mask without the tokens of the prompt, which stand first in every text."""
        ids = self.tokenizer(self._prepared([""]))["input_ids"][0]
        length = len(ids) - (1 if ids and ids[-1] in self.tokenizer.all_special_ids else 0)
        return mask * (mask.cumsum(dim=1) > length)


def pooled(name: str, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """One row per text from its token embeddings; `mask` is 1 for the tokens that take part.

    Examples
    --------
    >>> tokens, mask = torch.tensor([[[2.0], [4.0], [9.0]]]), torch.tensor([[1, 1, 0]])
    >>> names = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
    >>> [round(pooled(name, tokens, mask).item(), 3) for name in names]
    [2.0, 4.0, 3.0, 4.243, 3.333, 4.0]
    """
    first, weights = mask.argmax(dim=1), mask.unsqueeze(-1).to(tokens.dtype)
    rows = torch.arange(len(tokens), device=tokens.device)
    if name == "cls":
        return tokens[rows, first]
    if name == "lasttoken":
        return tokens[rows, mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)]
    if name == "max":
        return tokens.masked_fill(weights == 0, -torch.inf).amax(dim=1)
    if name == "weightedmean":
        weights = weights * (torch.arange(mask.shape[1], device=tokens.device) - first.unsqueeze(1) + 1).unsqueeze(-1)
    total, counted = (tokens * weights).sum(dim=1), weights.sum(dim=1).clamp(min=1e-9)
    return total / (counted.sqrt() if name == "mean_sqrt_len_tokens" else counted)


def load(folder: Path, model_args: Mapping[str, str] | None = None, **options: Any) -> HuggingFaceTextEncoder:
    """Load a folder (`options`: those of `open_folder`). Nothing in it is run, no socket is opened.

    `model_args` name the pooling of a folder that is not one of sentence-transformers (`audit.extensions.text_encoders.layout`).
    """
    inside = options.get("inside") or folder
    check_folder(folder, inside, required=None)
    layout = read_layout(folder, model_args or {})
    for path in weight_folders(layout):
        if not path.is_dir():
            raise DataError(f"the folder {path.name} of the model is missing", where=str(folder), fix="download the whole folder again")
    opened = open_folder(layout.transformer, reads_images=False, **{**options, "inside": inside})
    with sealed():
        config, tokenizer = configuration(layout.transformer), load_tokenizer(layout.transformer)
        words = tokenizer_sha256(tokenizer, layout.transformer)
        model = _transformer(opened, config)
        after, sha256 = _after_pooling(layout, opened)
        encoder = HuggingFaceTextEncoder(model, tokenizer, layout, after, opened.device)
        rows = call_transformers(folder, lambda _: encoder.embed(TRIED))
    kind = "sentence-transformers" if is_sentence_transformer(folder) else f"pooling {layout.poolings[0]}"
    encoder.record = _record(opened, encoder, (model, tokenizer, words), f"{KIND} ({kind}) {type(model).__name__}", (sha256, rows.shape[1]))
    log_notes(encoder.record)
    return encoder


def _transformer(opened: OpenedFolder, config: Any) -> Any:
    """The transformer alone: the head of a language model and the pooler, which no pooling of tokens uses, are left out."""
    folder, half = opened.path, ENCODER_HALVES.get(config.model_type)
    cls = call_transformers(folder, lambda auto: getattr(auto, half) if half else built_in_class(auto.AutoModel, config))
    if hasattr(cls, "get_image_features"):
        what = f"a model of type {config.model_type!r} reads images as well"
        raise DataError(what, where=str(folder), why="text: is for encoders of text alone", fix="leave out text:")
    pooler = {"add_pooling_layer": False} if "add_pooling_layer" in inspect.signature(cls.__init__).parameters else {}
    tensors = _without_heads(opened.weights.tensors, cls.base_model_prefix)
    weights = Weights(tensors, opened.weights.sha256, opened.weights.notes)
    built = build_model(folder, config, weights, opened.dtype, cls, **pooler)
    return call_transformers(folder, lambda _: built.to(opened.device).eval())


def _without_heads(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors of the transformer, under the names that it has by itself."""
    inner = f"{prefix}."
    if prefix and any(name.startswith(inner) for name in tensors):
        tensors = {name.removeprefix(inner): tensor for name, tensor in tensors.items() if name.startswith(inner)}
    return {name: tensor for name, tensor in tensors.items() if not name.startswith("pooler.")}


def _after_pooling(layout: TextLayout, opened: OpenedFolder) -> tuple[list[Any], str]:
    """The steps after the pooling as functions of rows, and the sha256 of all weights."""
    steps: list[Any] = []
    hashes = [opened.weights.sha256]
    for step in layout.steps:
        if isinstance(step, DenseLayer):
            weights = read_weights(step.folder)
            hashes.append(weights.sha256)
            steps.append(_dense(step, {name: tensor.to(opened.device, opened.dtype) for name, tensor in weights.tensors.items()}))
        else:
            steps.append(_normalized)
    return steps, hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def _normalized(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows, dim=1)


def _dense(step: DenseLayer, tensors: Mapping[str, torch.Tensor]) -> Any:
    expected = {"linear.weight", "linear.bias"} | ({"residual.weight"} if step.residual else set())
    faults = {"missing": sorted({"linear.weight"} - tensors.keys()), "unexpected": sorted(tensors.keys() - expected)}
    require_complete(step.folder, faults)
    activation = getattr(torch.nn, step.activation)()

    def apply(rows: torch.Tensor) -> torch.Tensor:
        out = activation(torch.nn.functional.linear(rows, tensors["linear.weight"], tensors.get("linear.bias")))
        if not step.residual:
            return torch.as_tensor(out)
        residual = tensors.get("residual.weight")
        return torch.as_tensor(out + (rows if residual is None else torch.nn.functional.linear(rows, residual)))

    return apply


def _context(model: Any, tokenizer: Any, layout: TextLayout) -> int:
    """Maximum number of tokens: that of the folder, else of tokenizer and positions, of which RoBERTa's start after the padding's id."""
    positions = getattr(model.config, "max_position_embeddings", None)
    if isinstance(positions, int) and hasattr(getattr(model, "embeddings", None), "padding_idx"):
        positions -= model.config.pad_token_id + 1
    limits = (layout.most_tokens, positions, tokenizer.model_max_length)
    return min((limit for limit in limits if isinstance(limit, int) and 0 < limit < 10**6), default=512)


def _record(
    opened: OpenedFolder, encoder: HuggingFaceTextEncoder, parts: tuple[Any, Any, str], kind: str, measured: tuple[str, int]
) -> ModelRecord:
    (model, tokenizer, words), (sha256, dimensions) = parts, measured
    layout, described = encoder._layout, dict[str, Any](opened.stated)
    config = {"class": type(model).__name__, "attention": model.config._attn_implementation, **without_origin(model.config.to_dict())}
    decisive = {"architecture": config, "layout": layout.stated, "tokenizer": words}
    steps = [" + ".join(layout.poolings) + " pooling"]
    steps += ["normalised" if step == "normalize" else f"dense layer ({step.activation})" for step in layout.steps]
    said = f", after {layout.prompt!r}" if layout.prompt else ""
    return model_record(
        model, decisive, sha256=sha256, device=opened.device, kind=kind, dimensions=dimensions, score_rule="softmax", logit_scale=1.0,
        logit_bias=None, architecture=f"text: {describe_tower(model.config, 'text_config')}; {', '.join(steps)}", preprocessing="none",
        tokenizer=f"{type(tokenizer).__name__}, {len(tokenizer)} entries, context {encoder.context}, sha256 {words[:12]}{said}",
        notes=opened.weights.notes, **described,
    )  # fmt: skip
