"""Whether the hub answers, found out within seconds and before any library starts to wait and to retry."""

from __future__ import annotations

import os
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException

TIMEOUT_S = 2.0
_OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")


@dataclass(frozen=True)
class Reach:
    """Whether the hub can be asked, and if not, why."""

    answers: bool
    why: str = ""


def ask(endpoint: str | None = None, timeout_s: float = TIMEOUT_S) -> Callable[[], Reach]:
    """Begin to ask the hub, without credentials; return a function that waits for the answer.

    The question is put in a thread of its own, because no time limit covers the look-up of a host name, and because the caller can
    import `datasets` meanwhile, which takes as long.

    Parameters
    ----------
    endpoint : str, optional
        Address of the hub; that of the hub client by default.
    timeout_s : float
        Longest wait from now on, in seconds.
    """
    asked = [name for name in _OFFLINE_VARIABLES if os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")]
    if asked:
        return lambda: Reach(False, f"{asked[0]} is set")
    address, until = endpoint or _endpoint(), time.monotonic() + timeout_s
    found = [f"the hub did not answer within {timeout_s:g} s"]
    thread = threading.Thread(target=lambda: found.append(_fault(address, timeout_s)), daemon=True)
    thread.start()

    def answer() -> Reach:
        thread.join(max(0.0, until - time.monotonic()))
        return Reach(not found[-1], found[-1])

    return answer


def _endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def _fault(address: str, timeout_s: float) -> str:
    """Return why nothing answers; "" if anything does: a refusal is an answer, and a certificate is for the real client to judge."""
    try:
        request = urllib.request.Request(address, method="HEAD")  # noqa: S310  # the address is the hub client's, not the data's
        urllib.request.urlopen(request, timeout=timeout_s).close()  # noqa: S310
    except urllib.error.HTTPError:
        return ""
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        return "" if isinstance(reason, ssl.SSLCertVerificationError) else f"the hub cannot be reached: {reason}"
    return ""
