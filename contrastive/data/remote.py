"""Remote tar shards: fetched one after another on demand, a few of them kept on the local disk.

A shard is fetched completely and in order, so a broken connection resumes where it stopped. Indices (`tars.index_of`) are read from a
shard's sidecar file if it exists; otherwise the shard is fetched once at the start of a run to index it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contrastive.data.source import CaptionUnit
from contrastive.data.tars import SIDECAR, ShardIndex, TarShards, index_of, understood
from strictio.errors import DataError, MachineError, UsageError
from strictio.files import read_text
from strictio.images.decode import UnreadableImage
from strictio.streams.braces import expanded_names
from strictio.streams.fetch import fetch, opened_from
from strictio.streams.urls import check_protocol

MOST_SIDECAR = 1 << 26
"""Limit in bytes, regardless of what a server claims."""


def shard_names(text: str) -> list[str]:
    """Expand braces, and ``::`` between names, to shard names; raises like `expanded_names`.

    >>> shard_names("shards/{08..10}.tar"), shard_names("one.tar")
    (['shards/08.tar', 'shards/09.tar', 'shards/10.tar'], ['one.tar'])
    >>> shard_names("{a,b}.tar::c.tar"), shard_names("simplecache::s3://a.tar")
    (['a.tar', 'b.tar', 'c.tar'], ['simplecache::s3://a.tar'])
    """
    return [shard for part in several_names(text) for shard in expanded_names(part)]


def several_names(text: str) -> list[str]:
    """Return the names of tar shards that ``::`` separates, each with its braces.

    >>> several_names("{a,b}.tar::c.tar"), several_names("simplecache::s3://a.tar")
    (['{a,b}.tar', 'c.tar'], ['simplecache::s3://a.tar'])
    """
    several = text.split("::")
    separate = all(part.partition("?")[0].endswith((".tar", "}")) and not part.startswith("tar://") for part in several)
    return several if separate else [text]


class RemoteShards(TarShards):
    """Captioned images in uncompressed tar shards at URLs, with the index, order and identity of `TarShards`.

    `most`: bytes of fetched shards to keep at a time. Raises like `TarShards` and `fetch`.
    """

    def __init__(self, title: str, urls: Sequence[str], most: int, caption_unit: CaptionUnit = "file", parts: Sequence[int] = ()):
        if others := [url for url in urls if not url.partition("?")[0].lower().endswith(".tar")]:
            check_protocol(others[0])
            why = "only uncompressed tar shards are fetched"
            raise UsageError(f"data.train: {others[0][:200]!r} is not a tar shard", why=why, fix="https://HOST/{000..127}.tar")
        self._urls, self._most, self._lock = tuple(urls), most, threading.Lock()
        self._fetching = [threading.Lock() for _ in urls]  # threads may fetch different shards concurrently, but not the same one
        self._folder = Path(tempfile.mkdtemp(prefix="vlm-audit-shards-"))
        self._clean = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)  # also at exit
        self._kept: OrderedDict[int, int] = OrderedDict()
        names = [Path(url.partition("?")[0]).name for url in urls]
        super().__init__(title, [self._folder / f"{number:06d}" / name for number, name in enumerate(names)], caption_unit, parts)

    def _index(self, shard: int) -> ShardIndex:
        return self._stated(shard) or index_of(self._local(shard))

    def _stated(self, shard: int) -> ShardIndex | None:
        """Return the index in a shard's sidecar file; None if it is missing or invalid."""
        address, question, rest = self._urls[shard].partition("?")
        target = self._folder / f"{shard:06d}{SIDECAR}"
        try:
            fetch(f"{address}{SIDECAR}{question}{rest}", target, MOST_SIDECAR)
            raw = json.loads(read_text(target, MOST_SIDECAR))
            with opened_from(self._urls[shard], 0) as (_, size):
                return understood(raw, size) if size is not None else None
        except (DataError, MachineError, OSError, ValueError, RecursionError):
            return None
        finally:
            target.unlink(missing_ok=True)

    def _local(self, shard: int) -> Path:
        """Return the local path of a shard, fetching it if necessary; the least recently used shards are evicted."""
        path = self._paths[shard]
        with self._fetching[shard]:
            with self._lock:
                if shard in self._kept:
                    self._kept.move_to_end(shard)
                    return path
            size = fetch(self._urls[shard], path)
            with self._lock:
                self._kept[shard] = size
                while len(self._kept) > 1 and sum(self._kept.values()) > self._most:
                    old, _ = self._kept.popitem(last=False)
                    self._paths[old].unlink(missing_ok=True)
        return path

    def _read(self, index: int, place: Any) -> bytes:
        for _ in range(2):  # another thread may have evicted it between fetching and reading
            self._local(self._shard(index))
            try:
                return super()._read(index, place)
            except UnreadableImage as error:
                missing = error
                if self._paths[self._shard(index)].exists():
                    raise
        raise missing
