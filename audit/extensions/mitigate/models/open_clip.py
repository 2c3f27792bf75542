"""A model of open_clip that can be written again: always as a folder with its configuration, tokenizer and safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import UsageError
from audit.extensions.mitigate.models.output_layers import NEW_HEAD, Layers, openai_layers
from audit.extensions.mitigate.models.rewriting import copy_without_weights, write_weights
from audit.extensions.mitigate.record import Form
from audit.models import single_file
from audit.models.huggingface.pretrained import call_transformers
from audit.models.huggingface.sealed import sealed
from audit.models.open_clip.encoder import allowed_overrides, build_architecture, fill_weights, image_preprocessing, tokenizer_folder
from audit.models.open_clip.spec import CONFIGURATION, IMAGE_SETTINGS, WEIGHT_NAMES, OpenClipSpec, fetch_parts, from_folder, from_name
from audit.models.runtime import located
from strictio.folders import Folder
from strictio.weights.contents import read_json
from strictio.weights.unwrap import unwrap

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class EditableOpenClip:
    """A model that open_clip builds."""

    plan: OpenClipSpec
    source: Path
    """Its file of weights."""
    preprocess: Mapping[str, Any]
    layers: Layers
    tensors: Mapping[str, Tensor]
    """By the names of open_clip's class."""
    folder: Path | None = None
    """The folder it is in, if it is in one of open_clip's layout."""

    @property
    def form(self) -> Form:
        return "open_clip folder"

    def write(self, folder: Folder, changed: Mapping[str, Tensor]) -> None:
        if self.folder is not None:
            copy_without_weights(self.folder, folder)
        if self.plan.tokenizer is not None and self.plan.tokenizer != self.folder:
            # With a config.json it would be a folder in Hugging Face layout.
            copy_without_weights(self.plan.tokenizer, folder, left_out=("config.json", CONFIGURATION))
        config = deepcopy(dict(self.plan.config))
        if not changed.keys() <= self.tensors.keys():
            config["vision_cfg"] |= {"timm_proj": "linear", "timm_proj_bias": True}
        if self.folder is None or config != self.plan.config:
            stated = {"preprocess_cfg": dict(self.preprocess)} if self.folder is None else read_json(self.folder / CONFIGURATION)
            folder.write(CONFIGURATION, (json.dumps({**stated, "model_cfg": config}, indent=2) + "\n").encode())
        name = self.source.name if self.source.name in WEIGHT_NAMES[:2] else WEIGHT_NAMES[0]
        write_weights(self.source, name, folder, self.tensors, changed)


def open_architecture(text: str, model_args: Mapping[str, str] | None) -> EditableOpenClip:
    """Open ``ARCH,FILE`` or ``ARCH,TAG``."""
    return _opened(*from_name(text), model_args)


def open_open_clip_folder(folder: Path, model_args: Mapping[str, str] | None) -> EditableOpenClip:
    """Open a folder in open_clip's layout."""
    return replace(_opened(*from_folder(folder), model_args), folder=folder)


def _opened(plan: OpenClipSpec, path: Path, model_args: Mapping[str, str] | None) -> EditableOpenClip:
    overrides = allowed_overrides(model_args)
    if plan.config["text_cfg"].get("hf_model_name"):
        why = "its text tower is one of transformers', whose configuration is not part of such a folder"
        raise UsageError(
            f"{plan.name} cannot be written as a folder of open_clip", why=why, fix="mitigate a model of open_clip's own towers"
        )
    plan = fetch_parts(replace(plan, tokenizer=tokenizer_folder(overrides, plan.tokenizer)))
    contents = single_file.read(path)
    with located(str(path)), sealed():
        weights = unwrap(contents.data, overrides.weights, overrides.adapter)
        model = call_transformers(path, lambda _: build_architecture(plan, weights.tensors))
        fill_weights(model, weights.tensors)
    state = model.state_dict()
    layers = openai_layers(state)
    if layers["image"] is None and plan.config["vision_cfg"].get("timm_proj") == "none":
        layers = {**layers, "image": NEW_HEAD}
    settings = image_preprocessing(plan, model, overrides)
    return EditableOpenClip(plan, path, {name: settings[name] for name in IMAGE_SETTINGS}, layers, state)
