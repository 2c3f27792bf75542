"""Placement of a model's layers: all on one device, or spread over several GPUs of this machine by the package accelerate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import torch

from audit.errors import MachineError
from audit.models.runtime import torch_setting

WEIGHTS_SHARE = 0.8
"""Share of the free memory of a GPU for weights: the rest is for keys, values and activations."""
NOT_A_GPU = ("cpu", "disk")


def placement(devices: Sequence[str], dtype: str) -> dict[str, Any]:
    """The arguments with which `from_pretrained` spreads a model over GPUs; empty for one device.

    Raises MachineError if a GPU or the package accelerate is missing.
    """
    if len(devices) < 2:
        return {}
    if find_spec("accelerate") is None:
        what = "spreading a model over several GPUs needs the package accelerate"
        raise MachineError(what, where="--device", fix=f"pip install accelerate, or --device {devices[0]}")
    numbers = [torch_setting(device, dtype)[0].index for device in devices]
    return {"device_map": "auto", "max_memory": {number: int(WEIGHTS_SHARE * torch.cuda.mem_get_info(number)[0]) for number in numbers}}


def require_placed(places: Mapping[str, int | str | torch.device], name: str) -> None:
    """Raise MachineError if a part of the model was placed on the CPU or the disk (`places`: part -> its device)."""
    left = [part for part, device in places.items() if str(device) in NOT_A_GPU]
    if left:
        raise MachineError(
            f"the GPUs have no room for {name}",
            where="--device",
            why=f"{len(left)} of its {len(places)} parts are left over, {left[0]} is the first",
            fix="name more GPUs, or try --dtype bfloat16",
        )
