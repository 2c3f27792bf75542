"""Builds the model of a configuration without memory, and stops as soon as it is larger than the weights in the files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.nn.modules import module as hooks

from audit.errors import DataError, UnsafeError
from strictio.weights.fill import skip_init

MORE_NUMBERS, MORE_BUFFERS, MORE_MODULES = 10**6, 5 * 10**7, 20_000
"""Tolerances beyond a multiple of what the files contain: numbers in weights and in buffers, modules."""
MODULES_PER_TENSOR = 20
DOWNLOAD = "download the folder again, or save the model again with save_pretrained"


def build_outline(make: Callable[[], Any], tensors: Mapping[str, torch.Tensor], where: str | None = None) -> Any:
    """The result of `make`, with its tensors on the meta device.

    Raises DataError if it has more than twice the numbers of `tensors`; UnsafeError if its buffers or modules far exceed them.
    """
    with torch.device("meta"), skip_init(), _counted(_Count(tensors, where)):
        return make()


def require_size(need: int, tensors: Mapping[str, torch.Tensor], where: str | None = None) -> None:
    """Raise DataError for a configuration that needs far more memory than the files contain."""
    have = sum(tensor.numel() for tensor in tensors.values())
    if need > 2 * have + MORE_NUMBERS:
        why = f"it asks for {need:,} numbers or more, the files hold {have:,}"
        raise DataError("the weights do not fit the configuration", where=where, why=why, fix=DOWNLOAD)


class _Count:
    """Counts what is registered with modules. Counted objects are kept alive, so that no other object gets their id."""

    def __init__(self, tensors: Mapping[str, torch.Tensor], where: str | None):
        self._tensors, self._where = tensors, where
        self._have = sum(tensor.numel() for tensor in tensors.values())
        self._seen: dict[int, Any] = {}
        self._numbers = self._buffers = self._modules = 0

    def parameter(self, _: Any, __: str, value: Any) -> None:
        if self._is_new(value):
            self._numbers += value.numel()
            if self._numbers > 2 * self._have + MORE_NUMBERS:
                require_size(self._numbers, self._tensors, self._where)

    def buffer(self, _: Any, __: str, value: Any) -> None:
        if self._is_new(value):
            self._buffers += value.numel()
            self._require(self._buffers, 2 * self._have + MORE_BUFFERS, "numbers in buffers")

    def module(self, _: Any, __: str, value: Any) -> None:
        self._modules += 1
        self._require(self._modules, MODULES_PER_TENSOR * len(self._tensors) + MORE_MODULES, "modules")

    def _is_new(self, value: Any) -> bool:
        if value is None or id(value) in self._seen:
            return False
        self._seen[id(value)] = value
        return True

    def _require(self, count: int, most: int, what: str) -> None:
        if count > most:
            why = f"it asks for more than {most:,} {what}; its files hold {len(self._tensors):,} tensors of {self._have:,} numbers"
            raise UnsafeError("the configuration asks for far more than its weights need", where=self._where, why=why, fix=DOWNLOAD)


@contextmanager
def _counted(count: _Count) -> Iterator[None]:
    with ExitStack() as stack:
        for register, hook in (
            (hooks.register_module_parameter_registration_hook, count.parameter),
            (hooks.register_module_buffer_registration_hook, count.buffer),
            (hooks.register_module_module_registration_hook, count.module),
        ):
            stack.callback(register(hook).remove)
        yield
