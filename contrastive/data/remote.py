"""Tar shards that lie elsewhere: fetched one after another as they are needed, a few of them kept on this machine's disk.

A shard is fetched whole and in order, so a connection that breaks goes on where it broke. Indices (`tars.index_of`) are read from the
sidecar beside a shard where there is one; without it the shard is fetched once for its index when a run starts.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import threading
import time
import urllib.error
import urllib.request
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

from contrastive.data.images import UnreadableImage
from contrastive.data.source import TrainingDataError
from contrastive.data.tars import SIDECAR, ShardIndex, TarShards, index_of, understood
from strictio.errors import MachineError, UsageError
from strictio.folders import Folder
from strictio.streams.urls import blocks, file_system, http_opener

ATTEMPTS, FIRST_WAIT_S = 6, 0.1
"""Attempts without a byte gained before a fetch is given up; the wait before the second, which doubles."""
TIMEOUT_S = 60.0
MOST_SHARD, MOST_SIDECAR = 1 << 36, 1 << 26
"""Bytes, whatever a server says."""
_CHUNK = 1 << 20
_RANGE, _CHOICE = re.compile(r"\{(\d+)\.\.(\d+)\}"), re.compile(r"\{([^{}]*,[^{}]*)\}")
_MOST_SHARDS = 100_000
_UNREACHED = "look at the address, and whether its server runs and can be reached from here (network, proxy); then the same command again"


def expanded(name: str) -> list[str]:
    """Return the names of shards that braces, or ``::`` between names, stand for; `UsageError` if a range runs backwards or has too many.

    >>> expanded("shards/{08..10}.tar"), expanded("one.tar")
    (['shards/08.tar', 'shards/09.tar', 'shards/10.tar'], ['one.tar'])
    >>> expanded("{a,b}.tar::c.tar"), expanded("simplecache::s3://a.tar")
    (['a.tar', 'b.tar', 'c.tar'], ['simplecache::s3://a.tar'])
    """
    several = name.split("::")
    if len(several) > 1 and all(part.partition("?")[0].endswith((".tar", "}")) and not part.startswith("tar://") for part in several):
        return [shard for part in several for shard in expanded(part)]
    if choice := _CHOICE.search(name):
        return [shard for part in choice[1].split(",") for shard in expanded(f"{name[: choice.start()]}{part}{name[choice.end() :]}")]
    if (match := _RANGE.search(name)) is None:
        return [name]
    first, last = int(match[1]), int(match[2])
    if not 0 <= last - first < _MOST_SHARDS:
        raise UsageError(f"the range {match[0]!r} cannot be expanded", why=f"it has {last - first + 1:,} shards", fix="as in {000..127}")
    begin, end, width = name[: match.start()], name[match.end() :], len(match[1])
    return [shard for number in range(first, last + 1) for shard in expanded(f"{begin}{number:0{width}d}{end}")]


class RemoteShards(TarShards):
    """Captioned images in uncompressed tar shards at URLs; read as `TarShards`, whose index, order and identity they share.

    `most`: bytes of fetched shards that are kept at a time. Raises `TrainingDataError` as `TarShards`; `MachineError` if a shard cannot be
    fetched.
    """

    def __init__(self, title: str, urls: Sequence[str], most: int):
        self._urls, self._most, self._lock = tuple(urls), most, threading.Lock()
        self._fetching = [threading.Lock() for _ in urls]  # two threads may fetch two shards, never the same one
        self._folder = Path(tempfile.mkdtemp(prefix="vlm-audit-shards-"))
        self._clean = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)  # also at the end of the program
        self._kept: OrderedDict[int, int] = OrderedDict()
        names = [Path(url.partition("?")[0]).name for url in urls]
        super().__init__(title, [self._folder / f"{number:06d}" / name for number, name in enumerate(names)])

    def _index(self, shard: int) -> ShardIndex:
        return self._stated(shard) or index_of(self._local(shard))

    def _stated(self, shard: int) -> ShardIndex | None:
        """Return what the sidecar beside a shard says; None without one that fits."""
        address, question, rest = self._urls[shard].partition("?")
        target = self._folder / f"{shard:06d}{SIDECAR}"
        try:
            fetch(f"{address}{SIDECAR}{question}{rest}", target, MOST_SIDECAR)
            raw = json.loads(target.read_text("utf-8"))
            with _opened(self._urls[shard], 0) as (_, size):
                return understood(raw, size) if size is not None else None
        except (TrainingDataError, MachineError, OSError, ValueError, RecursionError):
            return None
        finally:
            target.unlink(missing_ok=True)

    def _local(self, shard: int) -> Path:
        """Return where a shard lies here, fetching it if it does not; those used longest ago make room."""
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

    def _read(self, index: int, extent: Any) -> bytes:
        for _ in range(2):  # between fetching and reading, another thread may have made room
            self._local(self._shard(index))
            try:
                return super()._read(index, extent)
            except UnreadableImage as error:
                missing = error
                if self._paths[self._shard(index)].exists():
                    raise
        raise missing


def fetch(url: str, target: Path, most: int = MOST_SHARD) -> int:
    """Write what lies at a URL into a file, going on where a connection broke; return its bytes.

    Raises `TrainingDataError` if there is nothing or more than `most` bytes, `MachineError` if several attempts in a row bring no byte, or
    fewer than `urls.LEAST_BYTES` within `TIMEOUT_S`.
    """
    done, failed = 0, 0
    folder = Folder.of(target.parent, make=True)
    folder.remove(target.name)
    with os.fdopen(folder.create(target.name), "wb") as file:
        while True:
            before, size, problem = done, None, "it ends early"
            try:
                with _opened(url, done) as (source, size):
                    for block in blocks(source, TIMEOUT_S):
                        done += len(block)
                        if done > most:
                            fix = "cut it into smaller shards" if most == MOST_SHARD else "look at what the address serves"
                            raise TrainingDataError(f"more than {most:,} bytes lie at {url}", fix=fix)
                        file.write(block)
            except FileNotFoundError as error:
                fix = "look at the address and the numbers in braces: {000..127} or {000,003}; * is for files on this machine"
                raise TrainingDataError(f"there is nothing to read at {url}", why=str(error)[:200], fix=fix) from error
            except (OSError, HTTPException) as error:
                problem = f"{type(error).__name__}: {str(error)[:200]}"
            if done == size:
                return done
            failed = failed + 1 if done == before or problem.startswith(TimeoutError.__name__) else 0
            if failed == ATTEMPTS:
                fix = "the same command again resumes" if done else _UNREACHED
                raise MachineError(f"{url} cannot be fetched", why=f"{done:,} bytes came; {problem}", fix=fix)
            time.sleep(FIRST_WAIT_S * 2**failed)


@contextmanager
def _opened(url: str, start: int) -> Iterator[tuple[IO[bytes], int | None]]:
    """Open what lies at a URL from a byte on; yield it and the size of the whole (None: not said). `FileNotFoundError` without anything."""
    with (_opened_http if url.lower().startswith(("http://", "https://")) else _opened_by_fsspec)(url, start) as opened:
        yield opened


@contextmanager
def _opened_http(url: str, start: int) -> Iterator[tuple[IO[bytes], int | None]]:
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})  # noqa: S310  # http by the caller
    try:
        with http_opener().open(request, timeout=TIMEOUT_S) as response:
            partial = response.status == HTTPStatus.PARTIAL_CONTENT
            if partial and not response.headers.get("Content-Range", f"bytes {start}-").startswith(f"bytes {start}-"):
                raise OSError("the server sends another part than the one asked for")
            skip = 0 if partial else start  # a server may not know of ranges
            size = None if response.length is None else response.length + start - skip
            for at in range(0, skip, _CHUNK):
                response.read(min(_CHUNK, skip - at))
            yield response, size
    except urllib.error.HTTPError as error:
        if error.code // 100 == 4 and error.code not in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS):
            raise FileNotFoundError(f"the server answers {error.code} {error.reason}") from error
        raise


@contextmanager
def _opened_by_fsspec(url: str, start: int) -> Iterator[tuple[IO[bytes], int | None]]:
    system, path = file_system(url, use_listings_cache=False)
    size = system.info(path)["size"]
    with system.open(path, "rb") as source:
        source.seek(start)
        yield source, size
