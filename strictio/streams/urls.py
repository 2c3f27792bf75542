"""URLs that this program opens, from any source: an allowlist of protocols, via HTTP or fsspec.

fsspec knows fifty protocols. Several wrap another one (``simplecache::``, ``zip://``, ``reference://``), read what a file in them
describes, or log in somewhere; none of these is opened.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import IO, Any

from strictio.errors import MachineError, UsageError

PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs"}
"""Protocol -> the package that reads it."""
_FILE_SYSTEMS = ("file", "hf", "memory", *PACKAGES)
LEAST_BYTES = 1 << 16
"""What a server has to send within the time that it is given for a step; one that is slower has failed."""
_BLOCK = 1 << 20
_ALLOWED = "https://, http://, s3://, gs://, az://, hf:// and file://"


def check_protocol(url: str) -> None:
    """Raise `UsageError` for a URL of another protocol, or of one protocol inside another."""
    scheme = url.partition("://")[0].lower()
    if "::" in url or scheme not in ("http", "https", *_FILE_SYSTEMS):
        why = "one protocol inside another" if "::" in url else f"allowed are {_ALLOWED}"
        fix = f"download the data, or name them by one of {_ALLOWED}"
        raise UsageError(f"URLs that begin with {scheme[:40]}:// are not read", why=why, fix=fix)


def file_system(url: str, **options: Any) -> tuple[Any, str]:
    """Return the file system of fsspec behind a URL, and the path in it; `options` are the file system's.

    `UsageError` as `check_protocol`; `MachineError` where the package that reads it is missing.
    """
    check_protocol(url)
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(f"{scheme}://{rest}", **options)
    except ImportError as error:
        package = PACKAGES.get(scheme, "fsspec")
        what, fix = f"reading {scheme}:// requires the package {package}", f"python -m pip install {package}"
        raise MachineError(what, why=str(error)[:200], fix=fix) from error
    except ValueError as error:
        raise UsageError(f"malformed {scheme}:// URL", why=str(error)[:200], fix="check the URL") from error
    return system, str(path)


class SameProtocol(urllib.request.HTTPRedirectHandler):
    """Follows a redirection to HTTPS, and from HTTP to HTTP."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.startswith("https://") and not (newurl.startswith("http://") and req.full_url.startswith("http://")):
            raise urllib.error.HTTPError(req.full_url, code, "it leads to something that is not HTTPS", headers, fp)
        if fp is not None:
            fp.close()  # urllib would read all that the server sends beside the new address
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _PunctualConnection(HTTPConnection):
    """A connection that is shut where the head of a reply takes longer than its timeout, however many bytes of it come."""

    def getresponse(self) -> HTTPResponse:
        limit_s, began = self.sock.gettimeout() or threading.TIMEOUT_MAX, time.monotonic()
        with socket.socket(fileno=os.dup(self.sock.fileno())) as handle:
            alarm = threading.Timer(limit_s, handle.shutdown, (socket.SHUT_RDWR,))
            alarm.start()
            try:
                return super().getresponse()
            except (OSError, HTTPException) as error:
                if time.monotonic() - began < limit_s:
                    raise
                raise TimeoutError(f"no reply begins within {limit_s:g} s") from error
            finally:
                alarm.cancel()
                alarm.join()


class _PunctualTLSConnection(_PunctualConnection, HTTPSConnection):
    """The same, encrypted."""


class _HttpHandler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens addresses of HTTP by connections that are punctual."""

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_PunctualConnection, req)

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_PunctualTLSConnection, req)


def http_opener() -> urllib.request.OpenerDirector:
    """Return an opener of ``http://`` and ``https://`` alone, that no redirection leads to another protocol.

    The timeout with which it opens an address also bounds the whole head of the reply.
    """
    opener, standard = urllib.request.OpenerDirector(), urllib.request
    for handler in (_HttpHandler, SameProtocol, standard.ProxyHandler, standard.HTTPDefaultErrorHandler, standard.HTTPErrorProcessor):
        opener.add_handler(handler())
    opener.add_handler(standard.UnknownHandler())
    return opener


@contextmanager
def http_part(url: str, first: int, last: int | None = None, *, timeout_s: float) -> Iterator[HTTPResponse]:
    """Open what lies at an HTTP address from a byte on, up to and with another where one is named; a server may send the whole instead."""
    headers = {"Range": f"bytes={first}-{'' if last is None else last}"} if first or last is not None else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # the opener knows no other protocol
    with http_opener().open(request, timeout=timeout_s) as response:
        yield response


def blocks(source: IO[bytes], timeout_s: float, most: int = sys.maxsize) -> Iterator[bytes]:
    """Give at most `most` bytes of a file as they come; `TimeoutError` where fewer than `LEAST_BYTES` come within a time."""
    read = getattr(source, "read1", source.read)  # does not wait until a block is full
    began, came = time.monotonic(), 0
    while most > 0 and (block := read(min(_BLOCK, most))):
        yield block
        most, came = most - len(block), came + len(block)
        if came >= LEAST_BYTES:
            began, came = time.monotonic(), 0
        elif time.monotonic() - began > timeout_s:
            raise TimeoutError(f"{came:,} bytes in {timeout_s:g} s")
