"""Our own `ckpt.pt`: a model that brings its configuration, preprocessing and tokenizer along."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from audit.errors import DataError
from audit.models.runtime import located, model_fingerprint, to_rows, torch_setting, untrained_record
from audit.types import ModelRecord

if TYPE_CHECKING:
    import numpy as np
    import torch
    from jaxtyping import Float
    from PIL import Image

    from contrastive.checkpoint.file import Checkpoint


class NativeEncoder:
    """A checkpoint of this project, in eval mode."""

    def __init__(
        self, checkpoint: Checkpoint, record: ModelRecord, setting: tuple[torch.device, torch.dtype], release: Callable[[], None] | None
    ):
        device, dtype = setting
        self.record = record
        self._release, self._tower = release, ""
        self._model = checkpoint.model.to(device, dtype).eval()
        self._preprocess, self._tokenizer = checkpoint.preprocess, checkpoint.tokenizer
        self._device, self._dtype = device, dtype

    def encode_images(self, images: Sequence[Image.Image]) -> Float[np.ndarray, "n d"]:
        """Return one row for each RGB image."""
        import torch

        self._enter("image")
        with torch.inference_mode():
            pixels = self._preprocess(images).to(self._device, self._dtype)
            return to_rows(self._model.encode_image(pixels))

    def encode_texts(self, texts: Sequence[str]) -> Float[np.ndarray, "k d"]:
        """Return one row for each text; a text that is too long raises DataError."""
        import torch

        try:
            ids = self._tokenizer(texts)
        except ValueError as error:
            raise DataError(
                f"a prompt is too long for {self.record.name}",
                why=f"{error}; cutting it would ask another question",
                fix="shorten the prompt, or train with a longer context",
            ) from error
        # What follows the end of a text never reaches its feature, so the batch is cut at its longest text: most prompts are short.
        longest = int((ids == self._tokenizer.eot).int().argmax(dim=1).max()) + 1
        self._enter("text")
        with torch.inference_mode():
            return to_rows(self._model.encode_text(ids[:, :longest].to(self._device)))

    def untrained(self, seed: int) -> NativeEncoder:
        """Return the same architecture, preprocessing and tokenizer with weights that were drawn and never trained."""
        import torch

        from contrastive.checkpoint.file import Checkpoint
        from contrastive.model.clip import CLIP

        with torch.random.fork_rng(devices=()):  # what a layer draws before it is reset
            torch.manual_seed(seed)
            model = CLIP(self._model.config, torch.Generator().manual_seed(seed))
        scale, bias = float(model.logit_scale.detach().exp()), model.logit_bias
        record = untrained_record(self.record, seed, scale, None if bias is None else float(bias.detach()))
        return NativeEncoder(Checkpoint(model, self._preprocess, self._tokenizer), record, (self._device, self._dtype), None)

    def _enter(self, tower: str) -> None:
        """Give back the memory of the other tower: weights are mapped from the file, and only one tower works at a time."""
        if self._release is not None and self._tower not in ("", tower):
            self._release()
        self._tower = tower


def encoder(checkpoint: Checkpoint, *, name: str, device: str, dtype: str, release: Callable[[], None] | None = None) -> NativeEncoder:
    """Return the encoder of a checkpoint; `release` gives back the memory of weights that are mapped from a file.

    DataError if its image tower was taught through a head of its own: its image and text features cannot be compared.
    """
    from contrastive.checkpoint.heads import require_both_towers

    with located(name):
        require_both_towers(checkpoint)
    setting = torch_setting(device, dtype)
    return NativeEncoder(checkpoint, _record(checkpoint, name, dtype, setting[0]), setting, release)


def _record(checkpoint: Checkpoint, name: str, dtype: str, device: torch.device) -> ModelRecord:
    model, config, preprocess, tokenizer = checkpoint.model, checkpoint.config, checkpoint.preprocess, checkpoint.tokenizer
    image, text = config.vision, config.text
    return ModelRecord(
        name=name,
        kind=checkpoint.format,
        fingerprint=model_fingerprint(
            weights=checkpoint.sha256,
            architecture=config.to_dict(),
            preprocessing=preprocess.to_dict(),
            tokenizer=tokenizer.sha256,
            dtype=dtype,
            device=device,
        ),
        sha256=checkpoint.sha256,
        parameters=sum(weight.numel() for weight in model.parameters()),
        dimensions=config.embed_dim,
        dtype=dtype,
        score_rule=config.score_rule,
        logit_scale=float(model.logit_scale.detach().exp()),
        logit_bias=None if model.logit_bias is None else float(model.logit_bias.detach()),
        architecture=f"image: {image.kind}, {image.image_size} px; text: width {text.width}, layers {text.layers}; {config.activation}",
        preprocessing=f"size {preprocess.size}, {preprocess.resize_mode}, {preprocess.interpolation}, sha256 {preprocess.sha256[:12]}",
        tokenizer=f"{tokenizer.kind}, {tokenizer.vocab_size} entries, context {tokenizer.context}, sha256 {tokenizer.sha256[:12]}",
        data_card=checkpoint.data_card,
        notes=checkpoint.notes,
        step=checkpoint.step,
        run=_run(checkpoint),
    )


def _run(checkpoint: Checkpoint) -> str | None:
    """Return what names the training run: a hash of the settings and data that decide its parameters."""
    identity = (checkpoint.account or {}).get("identity")
    if not isinstance(identity, dict) or not identity:
        return None
    try:
        plain = json.dumps(identity, sort_keys=True)
    except (TypeError, ValueError):  # another program's account, with tensors in it: it names no run of ours
        return None
    return hashlib.sha256(plain.encode()).hexdigest()
