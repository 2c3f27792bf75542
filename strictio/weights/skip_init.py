"""Modules built without drawing weights, for models that are filled from a file at once."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

LEFT = frozenset({torch.nn.init.normal_, torch.nn.init.uniform_, torch.nn.init.kaiming_uniform_})  # what torch's own layers call
ZEROED = frozenset({torch.Tensor.normal_, torch.Tensor.uniform_})
"""Zero, not left: `trunc_normal_` draws until every value is within its bounds, and what memory happens to hold may never be."""


def skip_init() -> TorchFunctionMode:
    """Leave weights that would be drawn as they are allocated, or zero; only for what is filled strictly afterwards.

    Drawing takes longer than reading, and on the meta device the first draw imports torch's compiler: a second and 70 MB for nothing.
    """
    return _Skip()


class _Skip(TorchFunctionMode):
    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function in LEFT:
            return args[0] if args else kwargs["tensor"]
        return args[0].zero_() if function in ZEROED else function(*args, **kwargs)
