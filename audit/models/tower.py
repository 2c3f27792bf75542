"""An image tower on its device, or a copy on each of several: turns pixels, as bytes, into rows of numbers.

On an accelerator, a batch is copied and computed while the next one is being prepared: `start` returns at once, `StartedBatch.rows` waits.
On a CPU, a batch is finished when `start` returns.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import cycle
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from audit.models.quick_gelu import QuickGELUFold
from audit.models.runtime import projected, to_rows

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float
    from PIL import Image

    from audit.types import ModelRecord

log = logging.getLogger("audit")
COMPILE_FROM = 1.4e14
"""Product of images and parameters from which compiling pays on an accelerator: it takes about a minute and saves about a tenth, and a
consumer GPU embeds about 1,500 images/s with the 1.5e8 parameters of ViT-B/32, so 60 s / 0.1 * 1,500 images/s * 1.5e8. Never on a CPU: the
gain over `QuickGELUFold` is about 2 % there, and compiled code rounds differently, so that a part of a data set would differ from the whole
(``benchmarks/speed/embedding.py --compiled``)."""

COMPARED_BATCHES = 4
"""First batches of a compiled tower that are compared with the tower itself: a CUDA graph is replayed from the third on."""
MOST_DIFFERENCE = {True: 1e-5, False: 5e-3}
"""Largest difference of a unit row's entries from those of the uncompiled tower, in float32 and in 16 bits."""


class Pixels(Protocol):
    """The image preprocessing of a model."""

    @property
    def size(self) -> int:
        """Width and height in pixels."""
        ...

    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """uint8[n, 3, size, size]: resized and cropped, not normalised."""
        ...

    def normalise(self, pixels_nchw: Tensor) -> Tensor:
        """float32 of the same shape, on the same device."""
        ...


class StartedBatch(NamedTuple):
    """A batch that was submitted to a device."""

    features: Tensor
    """float[n, d]; on the host, for an accelerator not filled yet."""
    finished: Any = None
    """Event to wait for, or None."""

    def rows(self) -> Float[np.ndarray, "n d"]:
        """The rows; waits until they are computed."""
        if self.finished is not None:
            self.finished.synchronize()
        return to_rows(self.features)


class ImageTower:
    """Runs the method `method` of `model` on batches of pixels.

    Parameters
    ----------
    model : object
        Has the weights; if it supports `copy.deepcopy` and ``to(device)``, it may run on several devices.
    method : str
        Its method: float[n, 3, h, w], normalised, to float[n, d].
    pixels : Pixels
        Prepares and normalises images.
    setting : (device, dtype)
        Location and number format of the weights.
    fold : QuickGELUFold
        Computes the batches on a CPU.
    """

    def __init__(self, model: Any, method: str, pixels: Pixels, setting: tuple[torch.device, torch.dtype], fold: QuickGELUFold):
        self.pixels, self._fold = pixels, fold
        self._model, self._method, self._dtype = model, method, setting[1]
        self._asynchronous = setting[0].type == "cuda"
        self._replicas: list[tuple[torch.device, Callable[[Tensor], Tensor]]] = [(setting[0], getattr(model, method))]
        self._turn = cycle(self._replicas)
        self._streams: dict[torch.device, Any] = {}
        self._compiled = False

    @property
    def in_flight(self) -> int:
        """Maximum number of batches in flight before waiting for one: two on each accelerator, none on a CPU."""
        return 2 * len(self._replicas) if self._asynchronous else 0

    def spread(self, places: Sequence[torch.device]) -> None:
        """Put a copy of the model on each additional device; batches go to them in turn."""
        copies = [(device, getattr(copy.deepcopy(self._model).to(device), self._method)) for device in places[1:]]
        self._replicas = [self._replicas[0], *copies]
        self._turn = cycle(self._replicas)

    def expect(self, images: int, parameters: int) -> None:
        """Compile the tower if this pays for the expected number of images (`COMPILE_FROM`)."""
        if self._asynchronous and not self._compiled and images * parameters >= COMPILE_FROM:
            self._compiled = True
            log.info("compiling the image tower, which pays from %d images on", -(-COMPILE_FROM // parameters))
            self._replicas = [(device, _compiled(encode)) for device, encode in self._replicas]
            self._turn = cycle(self._replicas)

    def start(self, prepared: Sequence[Tensor], size: int) -> StartedBatch:
        """Start a batch of images, each uint8[3, h, w]; it is padded to `size` rows, so that all batches have the same shape.

        The kernels of a matrix product, and so the last digits of a row, depend on the shape of the batch, not on its other rows.
        """
        device, encode = next(self._turn)
        batch, count = _filled(torch.stack(list(prepared)), size), len(prepared)
        with torch.inference_mode():
            if not self._asynchronous:
                placed = batch.to(device)
                return StartedBatch(self._fold.run("image", lambda rows: self._encoded(encode, placed[rows]), len(placed))[:count])
            with nullcontext() if device.type == "cpu" else torch.cuda.device(device):
                return self._copied_and_encoded(encode, _pinned(batch), device, count)

    def _encoded(self, encode: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
        return projected(encode(self.pixels.normalise(pixels).to(self._dtype)))

    def _copied_and_encoded(self, encode: Callable[[Tensor], Tensor], pinned: Tensor, device: torch.device, count: int) -> StartedBatch:
        """Copy on a separate stream, in parallel with the batch being computed; nothing here waits for the device."""
        module = torch.get_device_module(device)
        if device not in self._streams:
            self._streams[device] = module.Stream()
        copies, computing = self._streams[device], module.current_stream()
        with module.stream(copies):
            pixels = pinned.to(device, non_blocking=True)
        computing.wait_stream(copies)
        if device.type != "cpu":
            pixels.record_stream(computing)  # the allocator must not reuse its memory before the computation has read it
        features = self._encoded(encode, pixels)[:count].float()
        rows = _pinned(torch.empty(features.shape))
        rows.copy_(features, non_blocking=True)
        finished = module.Event()
        finished.record(computing)
        return StartedBatch(rows, finished)


class OnTower:
    """The image half of an encoder that uses an `ImageTower`: images are prepared one at a time, in any thread."""

    record: ModelRecord
    draft = 0
    """Size in pixels to which a JPEG may be reduced while decoding; 0: never."""

    def __init__(self, tower: ImageTower):
        self.tower = tower

    @property
    def side(self) -> int:
        """Width and height in pixels of the model's input."""
        return self.tower.pixels.size

    @property
    def in_flight(self) -> int:
        """Maximum number of batches in flight before waiting for one; 0 on a CPU."""
        return self.tower.in_flight

    def prepare(self, image: Image.Image) -> Tensor:
        """The model's input for an image, as bytes."""
        return self.tower.pixels.pixels([image])[0]

    def start(self, prepared: Sequence[Tensor], size: int) -> StartedBatch:
        """Start a batch, padded to `size` rows."""
        return self.tower.start(prepared, size)

    def encode_images(self, images: Sequence[Image.Image]) -> Float[np.ndarray, "n d"]:
        """One row per image."""
        return self.start([self.prepare(image) for image in images], len(images)).rows()

    def expect(self, images: int) -> None:
        """Prepare for this number of images."""
        self.tower.expect(images, self.record.parameters)

    def spread(self, places: Sequence[torch.device]) -> None:
        """Compute on each of these devices, of which the first already has the model."""
        self.tower.spread(places)


def _filled(batch: Tensor, size: int) -> Tensor:
    """Pad a batch to `size` rows by repeating its last image."""
    missing = size - len(batch)
    return batch if missing <= 0 else torch.cat([batch, batch[-1:].expand(missing, *batch.shape[1:])])


def _pinned(tensor: Tensor) -> Tensor:
    """A copy in page-locked memory."""
    return tensor.pin_memory()


def _compiled(encode: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Compile a function for one shape, as a CUDA graph where there is one.

    Its first batches are compared with the function itself. If they differ, or compiling is impossible, a warning says so and the function
    itself is used from there on. What torch warns of while it compiles is about torch: it neither stops it nor is shown.
    """
    compiled, checked, why = torch.compile(encode, dynamic=False, mode="reduce-overhead"), 0, ""

    def run(pixels: Tensor) -> Tensor:
        nonlocal checked, why
        if not why:
            try:
                if checked >= COMPARED_BATCHES:
                    return compiled(pixels)
                with warnings.catch_warnings(action="ignore"):
                    rows = compiled(pixels)
                checked, why = checked + 1, _difference(projected(rows), projected(encode(pixels)))
            except torch.cuda.OutOfMemoryError:
                raise
            except RuntimeError as error:  # no compiler on this machine, or an unsupported operation
                why = str(error).partition("\n")[0][:200]
            if why:
                log.warning("the image tower cannot be compiled (%s): going on without", why)
        return encode(pixels)

    return run


def _difference(compiled_nd: Tensor, plain_nd: Tensor) -> str:
    """Say how far unit rows of the compiled tower are from those of the tower itself; nothing if that is rounding."""
    if not compiled_nd.numel():
        return ""
    compiled, plain = (F.normalize(rows.float(), dim=-1) for rows in (compiled_nd, plain_nd))
    largest, allowed = float((compiled - plain).abs().max()), MOST_DIFFERENCE[plain_nd.dtype == torch.float32]
    return "" if largest <= allowed else f"its unit rows differ by {largest:.1e}, more than {allowed:g}"
