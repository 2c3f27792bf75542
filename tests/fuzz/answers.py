"""A child that has been taken over: it answers whatever a file says, with whatever bytes in the file that it shares."""

from __future__ import annotations

import importlib
import socket
import tempfile
import threading
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from strictio.child.process import Child, _shared_file


class TakenOver(Child):
    """Answers every request alike; a second one for a piece of a table with the end of it."""

    def __init__(self, line: bytes, content: bytes):
        self.file, self.turn, self._ready, self._killed = _shared_file(), threading.Lock(), True, False
        self._line, self._content, self._pieces = line, content, 0
        self.process: Any = SimpleNamespace(kill=lambda: None, wait=lambda *_: -9, poll=lambda: None)

    def __enter__(self) -> TakenOver:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def _exchanged(self, line: bytes, files: Any, wall_s: float) -> dict[str, Any]:
        self._pieces += b'"next"' in line
        self.file.truncate(0)
        self.file.seek(0)
        self.file.write(self._content)
        answer = b'{"done": true}' if self._pieces > 1 else b"{}" if b'"id"' in line and not self._pieces else self._line
        mine, its = socket.socketpair()
        self._channel = mine
        with mine, its:
            sender = threading.Thread(target=_sent, args=(its, answer + b"\n"))
            sender.start()
            try:
                return self._answer(5)
            finally:
                its.close()
                sender.join()

    def end(self) -> None:
        pass


def _sent(channel: socket.socket, content: bytes) -> None:
    try:
        channel.sendall(content)
        channel.shutdown(socket.SHUT_WR)
    except OSError:  # nobody reads the rest
        return


@cache
def _files() -> Path:
    """Sound files to ask about."""
    from tests.fuzz import sound

    folder = Path(tempfile.mkdtemp())
    (folder / "t.xlsx").write_bytes(sound.workbooks()[0])
    (folder / "t.parquet").write_bytes(sound.parquets()[0])
    return folder


def _image() -> None:
    from audit.testing import png
    from strictio.images.decoders import _Decoder

    _Decoder().decode(png("red"), 0)


def _workbook() -> None:
    from strictio.tables.workbook import read_workbook

    read_workbook(_files() / "t.xlsx", None)


def _parquet(do: str) -> None:
    from strictio.tables import parquet

    read: Mapping[str, Callable[[Path], object]] = {
        "schema": parquet.parquet_schema, "groups": parquet.group_sizes, "check": parquet.check_size, "read": parquet.read_parquet,
    }  # fmt: skip
    read[do](_files() / "t.parquet")


def _tokenizer(do: str) -> None:
    from strictio.model_folders import tokenizers

    if do == "build":
        tokenizers.check_building("{}")
        return
    locked = tokenizers.LockedTokenizer(SimpleNamespace(truncation=None, padding=None, encode_special_tokens=False, to_str=lambda: "{}"))
    locked._child = None
    child = tokenizers.Child()
    locked._running = lambda: child
    locked.encode_batch(["a", "b"]) if do == "encode" else locked.decode([0])


def _graph() -> None:
    import numpy as np

    from strictio.weights.onnx_session import OnnxSession

    session = OnnxSession.__new__(OnnxSession)
    from strictio.weights import onnx_session

    session._where, session._child = "m.onnx", onnx_session.Child()
    session.run(["y"], {"x": np.ones(1, np.float32)})


def _module(name: str) -> Callable[[], ModuleType]:
    return partial(importlib.import_module, f"strictio.{name}")


ASKED = {
    "image": (_module("images.decoders"), _image),
    "workbook": (_module("tables.workbook"), _workbook),
    **{do: (_module("tables.parquet"), partial(_parquet, do)) for do in ("schema", "groups", "check", "read")},
    **{do: (_module("model_folders.tokenizers"), partial(_tokenizer, do)) for do in ("build", "encode", "decode")},
    "graph": (_module("weights.onnx_session"), _graph),
}
"""Who asks -> the module that starts the child, and what it asks."""
