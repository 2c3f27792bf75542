"""A model filled with weights that were read: built without drawing any, and only if none is missing, unexpected or of another shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from strictio.errors import DataError

LEFT = frozenset({torch.nn.init.normal_, torch.nn.init.uniform_, torch.nn.init.kaiming_uniform_})  # what torch's own layers call
ZEROED = frozenset({torch.Tensor.normal_, torch.Tensor.uniform_})
"""Zero, not left: `trunc_normal_` draws until every value is within its bounds, and what memory happens to hold may never be."""
SCALARS = ("logit_scale", "logit_bias")
"""0-D in some files, of shape [1] in others."""


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


def check_fit(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Raise `DataError` if names, shapes or kinds of number (floating point or not) differ from `wanted`; lists the first five of each."""
    missing, unexpected = [name for name in wanted if name not in state], [name for name in state if name not in wanted]
    if missing or unexpected:
        raise DataError("the weights do not fit the architecture", why=f"{_five('missing', missing)}; {_five('unexpected', unexpected)}")
    unlike = [name for name, tensor in wanted.items() if not _alike(state[name], tensor)]
    if unlike:
        shown = [f"{name} {list(state[name].shape)} for {list(wanted[name].shape)}" for name in unlike]
        raise DataError("the weights do not fit the architecture", why=_five("of another shape or kind", shown))


def _alike(tensor: Tensor, wanted: Tensor) -> bool:
    return tensor.shape == wanted.shape and tensor.is_floating_point() == wanted.is_floating_point()


def _five(kind: str, names: list[str]) -> str:
    shown = ", ".join(name[:80] for name in names[:5])
    return f"{kind}: {len(names)}" + (f" ({shown}{', ...' if len(names) > 5 else ''})" if names else "")
