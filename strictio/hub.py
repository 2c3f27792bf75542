"""Whether the hub answers: known within two seconds, where its client would retry for half a minute."""

from __future__ import annotations

import os
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException

TIMEOUT_S = 2.0
OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")


def ask_hub(endpoint: str | None = None, timeout_s: float = TIMEOUT_S) -> Callable[[], str]:
    """Begin to ask the hub, without credentials; return a function that waits and says why it does not answer, "" if it does.

    A thread asks: no time limit covers the look-up of a host name, and the caller can do other things meanwhile. The wait begins here.
    """
    if variables := [name for name in OFFLINE_VARIABLES if os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")]:
        return lambda: f"{variables[0]} is set"
    from huggingface_hub import constants

    address, deadline = endpoint or str(constants.ENDPOINT), time.monotonic() + timeout_s
    faults = [_silent(timeout_s)]
    thread = threading.Thread(target=lambda: faults.append(_fault(address, timeout_s)), daemon=True)
    thread.start()

    def answer() -> str:
        thread.join(max(0.0, deadline - time.monotonic()))
        return faults[-1]

    return answer


def hub_fault(endpoint: str | None = None, timeout_s: float = TIMEOUT_S) -> str:
    """Return why the hub does not answer, "" if it does; see `ask_hub`."""
    return ask_hub(endpoint, timeout_s)()


def _silent(timeout_s: float) -> str:
    return f"the hub did not answer within {timeout_s:g} s"


def _fault(address: str, timeout_s: float) -> str:
    """Return why nothing answers; "" if anything does: a refusal is an answer, and a certificate is for the real client to judge."""
    try:
        request = urllib.request.Request(address, method="HEAD")  # noqa: S310  # the address is the hub client's, not the data's
        urllib.request.urlopen(request, timeout=timeout_s).close()  # noqa: S310
    except urllib.error.HTTPError:
        return ""
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):  # the thread may notice before the one that waits for it
            return _silent(timeout_s)
        return "" if isinstance(reason, ssl.SSLCertVerificationError) else f"the hub cannot be reached: {reason}"
    return ""


@contextmanager
def offline(on: bool) -> Iterator[None]:
    """Ask nothing of the hub, so that what is in the cache is found at once."""
    import datasets
    from huggingface_hub import constants

    before = datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    if on:
        datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before
