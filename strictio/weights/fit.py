"""Whether weights that were read are those of an architecture: all of them, no others, each of its shape."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from strictio.errors import DataError

SCALARS = ("logit_scale", "logit_bias")
"""0-D in some files, of shape [1] in others."""


def check_fit(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Raise `DataError` at other names, shapes or kinds of number (floating point or not) than wanted; the first five of each are named."""
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
