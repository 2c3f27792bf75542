"""A remote file to a file here, whole and in order: a connection that breaks goes on where it broke."""

from __future__ import annotations

import os
import time
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import IO

from strictio.errors import DataError, MachineError
from strictio.files import check_file
from strictio.folders import Folder
from strictio.streams.urls import blocks, file_system, http_part

ATTEMPTS, FIRST_WAIT_S = 6, 0.1
"""Attempts without progress before a fetch is abandoned; the wait before the second attempt, which then doubles."""
TIMEOUT_S = 60.0
MOST_FILE = 1 << 36
"""Limit in bytes, regardless of what a server claims."""
_UNREACHED = "look at the address, and whether its server runs and can be reached from here (network, proxy); then the same command again"


def fetch(url: str, target: Path, most: int = MOST_FILE) -> int:
    """Download a URL into a file, resuming after broken connections; return its size in bytes.

    Raises `DataError` if there is nothing or more than `most` bytes, `MachineError` if several attempts in a row bring no byte, or
    fewer than `urls.LEAST_BYTES` within `TIMEOUT_S`.
    """
    done, failed = 0, 0
    folder = Folder.of(target.parent, make=True)
    folder.remove(target.name)
    with os.fdopen(folder.create(target.name), "wb") as file:
        while True:
            before, size, problem = done, None, "it ends early"
            try:
                with opened_from(url, done) as (source, size):
                    for block in blocks(source, TIMEOUT_S):
                        done += len(block)
                        if done > most:
                            fix = "cut it into smaller shards" if most == MOST_FILE else "look at what the address serves"
                            raise DataError(f"more than {most:,} bytes lie at {url}", fix=fix)
                        file.write(block)
            except FileNotFoundError as error:
                fix = "look at the address and the numbers in braces: {000..127} or {000,003}; * is for files on this machine"
                raise DataError(f"there is nothing to read at {url}", why=str(error)[:200], fix=fix) from error
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
def opened_from(url: str, start: int) -> Iterator[tuple[IO[bytes], int | None]]:
    """Open a URL from an offset; yield the stream and the total size (None if unknown). `FileNotFoundError` without anything."""
    with (_by_http if url.lower().startswith(("http://", "https://")) else _by_fsspec)(url, start) as opened:
        yield opened


@contextmanager
def _by_http(url: str, start: int) -> Iterator[tuple[IO[bytes], int | None]]:
    try:
        with http_part(url, start, timeout_s=TIMEOUT_S) as response:
            partial = response.status == HTTPStatus.PARTIAL_CONTENT
            if partial and not response.headers.get("Content-Range", f"bytes {start}-").startswith(f"bytes {start}-"):
                raise OSError("the server sends another part than the one asked for")
            skip = 0 if partial else start  # a server may not support ranges
            size = None if response.length is None else response.length + start - skip
            for _ in blocks(response, TIMEOUT_S, skip):
                pass
            yield response, size
    except urllib.error.HTTPError as error:
        if error.code // 100 == 4 and error.code not in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS):
            raise FileNotFoundError(f"the server answers {error.code} {error.reason}") from error
        raise


def _check_local(path: str) -> None:
    try:
        check_file(Path(path))
    except OSError as error:
        raise FileNotFoundError(error.strerror) from error


@contextmanager
def _by_fsspec(url: str, start: int) -> Iterator[tuple[IO[bytes], int | None]]:
    system, path = file_system(url, use_listings_cache=False)
    if url.lower().startswith("file://"):
        _check_local(path)
    size = system.info(path)["size"]
    with system.open(path, "rb") as source:
        source.seek(start)
        yield source, size
