"""Whether the hub answers, found out in two seconds: with its retries, `datasets` takes half a minute to give up.

`audit.data.network` asks likewise; the trainer imports nothing of the audit.
"""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException

TIMEOUT_S = 2.0
_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")


def hub_fault(endpoint: str | None = None, timeout_s: float = TIMEOUT_S) -> str:
    """Return why the hub does not answer, "" if it does: a refusal is an answer, too.

    Parameters
    ----------
    endpoint : str, optional
        Its address; that of the hub client by default.
    timeout_s : float
        Longest wait. In a thread of its own, because no limit covers the look-up of a host name.
    """
    asked = [name for name in _OFFLINE if os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")]
    if asked:
        return f"{asked[0]} is set"
    from huggingface_hub import constants

    address, found = endpoint or str(constants.ENDPOINT), [f"the hub did not answer within {timeout_s:g} s"]
    thread = threading.Thread(target=lambda: found.append(_fault(address, timeout_s)), daemon=True)
    thread.start()
    thread.join(timeout_s)
    return found[-1]


def _fault(address: str, timeout_s: float) -> str:
    try:
        request = urllib.request.Request(address, method="HEAD")  # noqa: S310  # the address is the hub client's, not the data's
        urllib.request.urlopen(request, timeout=timeout_s).close()  # noqa: S310
    except urllib.error.HTTPError:
        return ""
    except (OSError, HTTPException, ValueError) as error:
        return f"the hub cannot be reached: {getattr(error, 'reason', error)}"
    return ""


@contextmanager
def offline(on: bool) -> Iterator[None]:
    """Let nothing be asked of the hub, so that what is in the cache is found at once."""
    import datasets
    from huggingface_hub import constants

    before = datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    if on:
        datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before
