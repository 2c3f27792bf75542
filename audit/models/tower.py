"""An image tower on its device, or a copy on each of several: pixels as bytes go in, rows of numbers come out.

On an accelerator a batch is copied and computed while the next one is being prepared: `start` returns at once, `StartedBatch.rows` waits.
On a processor a batch is finished when `start` returns.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import cycle
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import Tensor

from audit.models.runtime import projected, to_rows

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float
    from PIL import Image

    from audit.types import ModelRecord

log = logging.getLogger("audit")
COMPILE_FROM = 1.4e14
"""Images times parameters from which compiling pays on an accelerator: it takes about a minute and saves about a tenth, and a consumer GPU
embeds about 1,500 images/s with the 1.5e8 parameters of ViT-B/32, so 60 s / 0.1 * 1,500 images/s * 1.5e8. Never on a processor: the gain
is 2 to 8 % there, and compiled code rounds otherwise, so that a part of a data set would differ from the whole."""


class Pixels(Protocol):
    """How a model wants its images."""

    @property
    def size(self) -> int:
        """Pixels a side."""
        ...

    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """Return uint8[n, 3, size, size]: resized and cut, not normalised."""
        ...

    def normalise(self, pixels_nchw: Tensor) -> Tensor:
        """Return float32 of the same shape, on the same device."""
        ...


class StartedBatch(NamedTuple):
    """A batch that was handed to a device."""

    features: Tensor
    """float[n, d]; on the host, of an accelerator not yet filled."""
    finished: Any = None
    """What to wait for; None: nothing."""

    def rows(self) -> Float[np.ndarray, "n d"]:
        """Return the rows, once they are there."""
        if self.finished is not None:
            self.finished.synchronize()
        return to_rows(self.features)


class ImageTower:
    """Runs `encode`, a method of `model`, on batches of pixels.

    Parameters
    ----------
    model : object
        Holds the weights; what copies itself with `copy.deepcopy` and moves with ``to(device)`` may run on several devices.
    method : str
        Its method: float[n, 3, h, w], normalised, to float[n, d].
    pixels : Pixels
        Prepares and normalises.
    setting : (device, dtype)
        Where the weights are.
    """

    def __init__(self, model: Any, method: str, pixels: Pixels, setting: tuple[torch.device, torch.dtype]):
        self.pixels = pixels
        self._model, self._method, self._dtype = model, method, setting[1]
        self._asynchronous = setting[0].type == "cuda"
        self._replicas: list[tuple[torch.device, Callable[[Tensor], Tensor]]] = [(setting[0], getattr(model, method))]
        self._turn = cycle(self._replicas)
        self._streams: dict[torch.device, Any] = {}
        self._compiled = False

    @property
    def in_flight(self) -> int:
        """Batches that may be under way before one is waited for: two on each accelerator, none on a processor."""
        return 2 * len(self._replicas) if self._asynchronous else 0

    def spread(self, places: Sequence[torch.device]) -> None:
        """Put a copy of the model on each further device; batches go to them in turn."""
        copies = [(device, getattr(copy.deepcopy(self._model).to(device), self._method)) for device in places[1:]]
        self._replicas = [self._replicas[0], *copies]
        self._turn = cycle(self._replicas)

    def expect(self, images: int, parameters: int) -> None:
        """Compile the tower if it has so many images to come that this pays (`COMPILE_FROM`)."""
        if self._asynchronous and not self._compiled and images * parameters >= COMPILE_FROM:
            self._compiled = True
            log.info("compiling the image tower, which pays from %d images on", -(-COMPILE_FROM // parameters))
            self._replicas = [(device, _compiled(encode)) for device, encode in self._replicas]
            self._turn = cycle(self._replicas)

    def start(self, prepared: Sequence[Tensor], size: int) -> StartedBatch:
        """Begin with a batch of uint8[3, h, w] each; it is filled up to `size` rows, so that every batch has one shape.

        The kernels of a matrix product, and so the last digits of a row, depend on the shape of the batch, not on what else is in it.
        """
        device, encode = next(self._turn)
        batch, count = _filled(torch.stack(list(prepared)), size), len(prepared)
        with torch.inference_mode():
            if not self._asynchronous:
                return StartedBatch(self._encoded(encode, batch.to(device))[:count])
            with nullcontext() if device.type == "cpu" else torch.cuda.device(device):
                return self._copied_and_encoded(encode, _pinned(batch), device, count)

    def _encoded(self, encode: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
        return projected(encode(self.pixels.normalise(pixels).to(self._dtype)))

    def _copied_and_encoded(self, encode: Callable[[Tensor], Tensor], pinned: Tensor, device: torch.device, count: int) -> StartedBatch:
        """Copy on a stream of its own, beside the batch that is being computed; nothing here waits for the device."""
        module = torch.get_device_module(device)
        if device not in self._streams:
            self._streams[device] = module.Stream()
        copies, computing = self._streams[device], module.current_stream()
        with module.stream(copies):
            pixels = pinned.to(device, non_blocking=True)
        computing.wait_stream(copies)
        if device.type != "cpu":
            pixels.record_stream(computing)  # the allocator must not hand its memory out before the computation has read it
        features = self._encoded(encode, pixels)[:count].float()
        rows = _pinned(torch.empty(features.shape))
        rows.copy_(features, non_blocking=True)
        finished = module.Event()
        finished.record(computing)
        return StartedBatch(rows, finished)


class OnTower:
    """The half of an encoder that reads images, by an `ImageTower`: pixels are prepared one image at a time, by any thread."""

    record: ModelRecord
    draft = 0
    """Pixels a side that a JPEG may be reduced to while it is decoded; 0: none is reduced."""

    def __init__(self, tower: ImageTower):
        self._images = tower

    @property
    def side(self) -> int:
        """Pixels a side of the images that the model sees."""
        return self._images.pixels.size

    @property
    def in_flight(self) -> int:
        """Batches that may be under way before one is waited for; 0 on a processor."""
        return self._images.in_flight

    def prepare(self, image: Image.Image) -> Tensor:
        """Return what the model sees of an image, as bytes."""
        return self._images.pixels.pixels([image])[0]

    def start(self, prepared: Sequence[Tensor], size: int) -> StartedBatch:
        """Begin with a batch, filled up to `size` rows."""
        return self._images.start(prepared, size)

    def encode_images(self, images: Sequence[Image.Image]) -> Float[np.ndarray, "n d"]:
        """Return one row for each image."""
        return self.start([self.prepare(image) for image in images], len(images)).rows()

    def expect(self, images: int) -> None:
        """Make ready for so many images."""
        self._images.expect(images, self.record.parameters)

    def spread(self, places: Sequence[torch.device]) -> None:
        """Compute on each of these devices, of which the first has the model already."""
        self._images.spread(places)


def _filled(batch: Tensor, size: int) -> Tensor:
    """Return a batch with its last image repeated up to `size` rows."""
    missing = size - len(batch)
    return batch if missing <= 0 else torch.cat([batch, batch[-1:].expand(missing, *batch.shape[1:])])


def _pinned(tensor: Tensor) -> Tensor:
    """Return a copy in memory that an accelerator reads by itself."""
    return tensor.pin_memory()


def _compiled(encode: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return a function compiled for one shape; the function itself, with a warning, where its first call shows that it cannot be."""
    compiled, failed = torch.compile(encode, dynamic=False), False

    def run(pixels: Tensor) -> Tensor:
        nonlocal failed
        if failed:
            return encode(pixels)
        try:
            return compiled(pixels)
        except torch.cuda.OutOfMemoryError:
            raise
        except RuntimeError as error:  # no compiler on this machine, or an operation that it does not know
            failed = True
            log.warning("the image tower cannot be compiled (%s): going on without", str(error).partition("\n")[0][:200])
            return encode(pixels)

    return run
