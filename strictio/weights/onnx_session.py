"""A checked ONNX graph in a session of onnxruntime, which runs in a locked child."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from operator import index
from typing import Any

import numpy as np

from strictio.child.process import Child, EndedError, TooMuchMemoryError
from strictio.child.serve import read_shared, write_shared
from strictio.errors import DataError, UnsafeError
from strictio.files import open_file
from strictio.limits import physical_memory
from strictio.weights.onnx_file import EXPORT, OnnxFile

LOAD_S, LOAD_PER_MIB_S, RUN_PER_IMAGE_S = 60.0, 1.0, 120.0
"""Seconds of the processor to load a graph, more for each MiB of it and of its weights, and to run it for an image."""
_MOST_TEXT = 1100
_KINDS = ("float16", "float32", "float64")


class OnnxSession:
    """A graph, with the method of onnxruntime that runs it. RuntimeError says what onnxruntime raises.

    ModuleNotFoundError without onnxruntime; UnsafeError where it takes too much time or memory, or ends its process.
    """

    def __init__(self, file: OnnxFile, threads: int):
        self._where = str(file.path)
        self._child = Child("strictio.weights.onnx_child:running_graphs", ("onnxruntime", "numpy"), physical_memory() // 4 * 3)
        length = write_shared(self._child.file, file.checked)
        sizes = length + sum(path.stat().st_size for path in file.external)
        request = {"do": "load", "length": length, "threads": threads, "names": [path.name for path in file.external]}
        with ExitStack() as opened:
            files = [opened.enter_context(open_file(path)).fileno() for path in file.external]
            self._asked(request, LOAD_S + LOAD_PER_MIB_S * sizes / 2**20, files)

    def run(self, outputs: Sequence[str], feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return one output for one input, of images."""
        (output,), ((name, array),) = outputs, feed.items()
        with self._child.turn:
            length = write_shared(self._child.file, np.ascontiguousarray(array).tobytes())
            request = {"do": "run", "length": length, "input": name, "output": output, "shape": array.shape, "dtype": array.dtype.name}
            return [self._asked(request, RUN_PER_IMAGE_S * len(array), read=self._scores)]

    def _scores(self, answer: Mapping[str, Any]) -> np.ndarray:
        kind, shape = answer["dtype"][:80] + "", list(map(index, answer["shape"]))
        if kind not in _KINDS or answer["length"] != math.prod(shape) * np.dtype(kind).itemsize:
            raise DataError("the scores of this ONNX file are not numbers", where=self._where, why=f"they are {kind}", fix=EXPORT)
        scores: np.ndarray = np.frombuffer(read_shared(self._child.file, answer["length"]), kind).reshape(shape)
        return scores

    def _asked(self, request: Mapping[str, Any], seconds: float, files: Sequence[int] = (), read: Callable[[Any], Any] = dict) -> Any:
        """Return what is read from the answer."""
        failed, found = "", None
        try:
            with self._child.answering(request, seconds, files) as answer:
                failed = answer.get("failed", "")[:_MOST_TEXT] + ""
                found = None if failed else read(answer)
        except TooMuchMemoryError as error:
            raise self._refused(request, "takes too much memory", "three quarters of the machine's memory are the most") from error
        except EndedError as error:
            if error.took_too_long:
                raise self._refused(request, "does not end", f"{seconds:,.0f} s of the processor are the most") from error
            raise self._refused(request, "ends the process that runs it", str(error)) from error
        if "allocate memory" in failed or "bad allocation" in failed:
            raise self._refused(request, "takes too much memory", failed[-200:])
        if failed:
            raise RuntimeError(failed)
        return found

    def _refused(self, request: Mapping[str, Any], what: str, why: str) -> UnsafeError:
        return UnsafeError(f"the graph of the ONNX file {what}", where=self._where, why=f"to {request['do']} it, {why}", fix=EXPORT)
