"""The format of a file of embeddings: its rows, and whether this user sealed them.

A shard is a line with the format and the sha256 of everything after it, a line with the seal, a line of JSON (dimensions; key and
conversions of each row), and the rows as little-endian float32. The hash detects damage, the seal (an HMAC with the user's own key)
identifies the writer: anyone can create a valid file.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float

FORMAT = "vlm-audit-embeddings"
VERSION = "2"
"""Version 1 had no seal, so its writer cannot be identified."""
FLOAT = np.dtype("<f4")
_END, _DIGITS = b"\n", 64
_NOT_YOURS = "not sealed with your key"


MOST_BYTES = 2**29
"""Maximum size of a cache file, which is read as a whole; a shard has about a tenth of it."""


class ShardRow(NamedTuple):
    """One row's key, and the conversions of its image before it was embedded."""

    key: str
    conversions: tuple[str, ...]


class Rejected(Exception):  # noqa: N818  # describes a file, not an error of the program
    """A file that is not used, and why."""

    def __init__(self, reason: str, *, damaged: bool = False):
        super().__init__(reason)
        self.damaged = damaged
        """Whether it was once a valid shard: a sign of a failing disk."""


def write(vectors: Mapping[str, np.ndarray], conversions: Mapping[str, tuple[str, ...]], key: bytes, model_tower: str) -> tuple[str, bytes]:
    """Encode a shard; returns its name and content. `model_tower` is part of the seal, so that it cannot be moved elsewhere."""
    payload = np.stack(list(vectors.values())).astype(FLOAT)
    rows = [(name, conversions.get(name, ())) for name in vectors]
    body = json.dumps({"dimensions": payload.shape[1], "rows": rows}, separators=(",", ":")).encode() + b"\n" + payload.tobytes()
    return f"{hashlib.sha256(body).hexdigest()[:32]}.shard", _sealed(body, key, model_tower)


def resealed(content: bytes, key: bytes, model_tower: str) -> bytes:
    """A complete shard of any version, sealed with another key."""
    return _sealed(content[_whole_body(content) :], key, model_tower)


def rows(content: bytes, dimensions: int, key: bytes, model_tower: str) -> list[ShardRow]:
    """The rows of a shard; raises `Rejected` if it is damaged, or was not sealed with `key` for this location."""
    body = _sealed_body(content, key, model_tower)
    start = _whole_body(content) if body is None else body
    try:
        manifest = json.loads(content[start : content.index(_END, start)])
        shard_rows = [ShardRow(str(name), tuple(map(str, done))) for name, done in manifest["rows"]]
        fits = manifest["dimensions"] == dimensions and _rows_of(content, start, dimensions).shape == (len(shard_rows), dimensions)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise Rejected("malformed", damaged=True) from error
    if not fits:
        raise Rejected("of another shape", damaged=True)
    if body is None:
        raise Rejected(_NOT_YOURS)
    return shard_rows


def require_seal(content: bytes, key: bytes, model_tower: str) -> int:
    """The offset of a shard's body; raises `Rejected` if it is damaged, or was not sealed with `key` for this location."""
    body = _sealed_body(content, key, model_tower)
    if body is None:
        _whole_body(content)
        raise Rejected(_NOT_YOURS)
    return body


def payload(content: bytes, dimensions: int, key: bytes, model_tower: str) -> Float[np.ndarray, "n d"]:
    """The embeddings of a shard that `rows` has accepted; raises `Rejected` if it has changed since."""
    return _rows_of(content, require_seal(content, key, model_tower), dimensions)


def read_file(path: Path) -> bytes:
    """Read a regular file of this user that only they can write, without following a link or blocking on a FIFO; else raise `Rejected`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Rejected(f"cannot be read: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Rejected("not a regular file")
        if status.st_uid != os.geteuid():
            raise Rejected("belongs to another user")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise Rejected(f"can be written by others (mode {stat.S_IMODE(status.st_mode):04o})")
        if status.st_size > MOST_BYTES:
            raise Rejected(f"has {status.st_size:,} bytes")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MOST_BYTES)
    finally:
        os.close(descriptor)


def _seal(body: bytes | memoryview, key: bytes, model_tower: str) -> bytes:
    return hmac.digest(key, f"{model_tower}\n{hashlib.sha256(body).hexdigest()}".encode(), "sha256").hex().encode()


def _sealed(body: bytes, key: bytes, model_tower: str) -> bytes:
    seal = _seal(body, key, model_tower)
    return b"\n".join([f"{FORMAT} {VERSION} {hashlib.sha256(seal + _END + body).hexdigest()}".encode(), seal, body])


# ---- offsets in a file, without copying megabytes ----------------------------------------------------------------------------------------


def _body(content: bytes) -> int:
    """Offset of the body: after the first line, or for version 2 after the second. Raises `Rejected` if neither is there."""
    end = content.find(_END)
    version = content[: max(end - _DIGITS, 0)]
    if version == f"{FORMAT} 1 ".encode():
        return end + 1
    seal_end = content.find(_END, end + 1)
    if version != f"{FORMAT} {VERSION} ".encode() or seal_end < 0:
        raise Rejected("damaged", damaged=True)
    return seal_end + 1


def _whole_body(content: bytes) -> int:
    """Offset of the body; raises `Rejected` if the content after the first line does not match its hash."""
    start, end = _body(content), content.find(_END)
    if content[end - _DIGITS : end] != hashlib.sha256(memoryview(content)[end + 1 :]).hexdigest().encode():
        raise Rejected("damaged", damaged=True)
    return start


def _sealed_body(content: bytes, key: bytes, model_tower: str) -> int | None:
    """Offset of the body if the seal is valid: it is then intact, and its hash need not be checked; else None."""
    start = _body(content)
    seal = content[:start].split(_END)[1]
    return start if hmac.compare_digest(seal, _seal(memoryview(content)[start:], key, model_tower)) else None


def _rows_of(content: bytes, start: int, dimensions: int) -> Float[np.ndarray, "n d"]:
    return np.frombuffer(content, FLOAT, offset=content.index(_END, start) + 1).reshape(-1, dimensions)
