"""URLs that this program opens, whoever has named them: an allowlist of protocols, by HTTP or by fsspec.

fsspec knows fifty protocols. Several wrap another one (``simplecache::``, ``zip://``, ``reference://``), read what a file in them
describes, or log in somewhere; none of these is opened.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

from contrastive.errors import MachineError, UsageError

PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs"}
"""Protocol -> the package that reads it."""
_FILE_SYSTEMS = ("file", "hf", "memory", *PACKAGES)
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
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def http_opener() -> urllib.request.OpenerDirector:
    """Return an opener of ``http://`` and ``https://`` that no redirection leads to another protocol."""
    return urllib.request.build_opener(SameProtocol)
