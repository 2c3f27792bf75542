"""Builds open_clip's own classes with weights from our reader: strictly, without a random weight left, and without downloading anything."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch

from audit.models.huggingface.outline import build_outline
from audit.models.open_clip.spec import OpenClipSpec, import_open_clip
from strictio.weights.fill import SCALARS, check_fit, skip_init
from strictio.weights.weight_names import from_hugging_face, without_text_prefix


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
