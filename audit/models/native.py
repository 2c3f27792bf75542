"""Our own `ckpt.pt`: a model that includes its configuration, preprocessing and tokenizer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from audit.models.attack import LEVELS, attacked_rows
from audit.models.quick_gelu import QuickGELUFold
from audit.models.runtime import located, model_record, require_length, scoring, to_rows, torch_setting, untrained_record
from audit.models.tower import ImageTower, OnTower, StartedBatch
from contrastive.checkpoint.file import Checkpoint, require_both_towers
from contrastive.model.clip import CLIP
from contrastive.model.tokenizer import trimmed

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float
    from PIL import Image

    from audit.types import ModelRecord

MAX_IDENTITY = 10**6
"""Maximum number of characters in a run's identity. Two kilobytes of a file can encode nested lists of 10^30 items."""


class NativeEncoder(OnTower):
    """A checkpoint of this project, in eval mode."""

    def __init__(
        self, checkpoint: Checkpoint, record: ModelRecord, setting: tuple[torch.device, torch.dtype], release: Callable[[], None] | None
    ):
        self.record = record
        self._release, self._tower = release, ""
        self._device, self._dtype = setting
        self._model = checkpoint.model.to(*setting).eval()
        self._preprocess, self._tokenizer = checkpoint.preprocess, checkpoint.tokenizer
        self._fold = QuickGELUFold(self._model, setting, self)
        super().__init__(ImageTower(self._model, "encode_image", self._preprocess, setting, self._fold))

    def start(self, prepared: Sequence[torch.Tensor], size: int) -> StartedBatch:
        self._enter("image")
        return super().start(prepared, size)

    def encode_texts(self, texts: Sequence[str]) -> Float[np.ndarray, "k d"]:
        """Raises DataError for a text that is too long."""
        require_length(self.record, list(map(repr, texts)), self.count_tokens(texts), self.context)
        # Tokens after the end of a text never reach its feature, so the batch is cut at its longest text: most prompts are short.
        ids = trimmed(self._tokenizer(texts), self._tokenizer.eot)
        self._enter("text")
        with torch.inference_mode():
            shown = ids.to(self._device)
            return to_rows(self._fold.run("text", lambda rows: self._model.encode_text(shown[rows]), len(shown)))

    @property
    def context(self) -> int:
        """Maximum number of tokens."""
        return self._tokenizer.context

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each text before truncation, including those at its start and end."""
        return [self._tokenizer.length(text) for text in texts]

    def attacked(
        self, images: Sequence[Image.Image], texts: Float[np.ndarray, "k d"], right: Sequence[int], budget: float, steps: int
    ) -> Float[np.ndarray, "n d"]:
        """The embeddings after pixels moved against the right text by at most `budget` / 255 (`audit.models.attack`)."""
        self._enter("image")

        def encode(pixels_nchw: torch.Tensor) -> torch.Tensor:
            return self._model.encode_image(self._preprocess.normalise(LEVELS * pixels_nchw).to(self._dtype))

        pixels = self._preprocess.pixels(images).to(self._device).float() / LEVELS
        return attacked_rows(encode, pixels, texts, right, budget, steps)

    def untrained(self, seed: int) -> NativeEncoder:
        """The same architecture, preprocessing and tokenizer with random, untrained weights."""
        with torch.random.fork_rng(devices=()):  # for random numbers of a layer before it is reset
            torch.manual_seed(seed)
            model = CLIP(self._model.config, torch.Generator().manual_seed(seed))
        untrained = Checkpoint(model, self._preprocess, self._tokenizer)
        return NativeEncoder(untrained, untrained_record(self.record, seed, scoring(model)), (self._device, self._dtype), None)

    def _enter(self, tower: str) -> None:
        """Release the memory of the other tower: weights are memory-mapped, and only one tower works at a time."""
        if self._release is not None and self._tower not in ("", tower):
            self._release()
        self._tower = tower


def encoder(checkpoint: Checkpoint, *, name: str, device: str, dtype: str, release: Callable[[], None] | None = None) -> NativeEncoder:
    """The encoder of a checkpoint; `release` frees the memory of weights that are mapped from a file.

    Raises DataError if its image tower was trained through a separate head: then its image and text features cannot be compared.
    """
    with located(name):
        require_both_towers(checkpoint)
    setting = torch_setting(device, dtype)
    return NativeEncoder(checkpoint, _record(checkpoint, name, dtype, setting[0]), setting, release)


def _record(checkpoint: Checkpoint, name: str, dtype: str, device: torch.device) -> ModelRecord:
    config, preprocess, tokenizer = checkpoint.config, checkpoint.preprocess, checkpoint.tokenizer
    image, text = config.vision, config.text
    return model_record(
        checkpoint.model,
        {"architecture": config.to_dict(), "preprocessing": preprocess.to_dict(), "tokenizer": tokenizer.sha256},
        sha256=checkpoint.sha256,
        dtype=dtype,
        device=device,
        name=name,
        kind=checkpoint.format,
        dimensions=config.embed_dim,
        **scoring(checkpoint.model),
        architecture=f"image: {image.kind}, {image.image_size} px; text: width {text.width}, layers {text.layers}; {config.activation}",
        preprocessing=f"size {preprocess.size}, {preprocess.resize_mode}, {preprocess.interpolation}, sha256 {preprocess.sha256[:12]}",
        tokenizer=f"{tokenizer.kind}, {tokenizer.vocab_size} entries, context {tokenizer.context}, sha256 {tokenizer.sha256[:12]}",
        data_card=checkpoint.data_card,
        notes=checkpoint.notes,
        step=checkpoint.step,
        run=_run(checkpoint),
    )


def _run(checkpoint: Checkpoint) -> str | None:
    """Identity of the training run: a hash of the settings and data that determine its parameters."""
    identity = (checkpoint.account or {}).get("identity")
    if not isinstance(identity, dict) or not identity:
        return None
    digest, letters = hashlib.sha256(), 0
    try:
        for part in json.JSONEncoder(sort_keys=True).iterencode(identity):
            digest.update(part.encode())
            letters += len(part)
            if letters > MAX_IDENTITY:
                return None
    except (TypeError, ValueError, RecursionError):  # metadata of another program, with tensors in it: not a run of ours
        return None
    return digest.hexdigest()
