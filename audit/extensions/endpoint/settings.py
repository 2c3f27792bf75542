"""Settings for models behind an endpoint: options of a run, checked before anything is sent."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from audit.errors import UsageError
from audit.extensions.endpoint.prices import Prices

log = logging.getLogger("audit")
KEY_VARIABLE = "OPENAI_API_KEY"
MODES = ("likelihood", "letter", "schema", "text")
"""From the most to the least informative; `letter` and `schema` constrain the answer."""
AUTO = "auto"
WRITING_TOKENS = 64


@dataclass(frozen=True)
class EndpointSettings:
    """Options of a run that concern endpoints."""

    base_url: str
    key_variable: str = KEY_VARIABLE
    """Name of the environment variable with the key; the key itself is never an option."""
    mode: str = AUTO
    in_flight: int = 16
    """Maximum number of concurrent requests."""
    repeats: int = 1
    """How often each question is sent."""
    max_new_tokens: int | None = None
    """Maximum tokens of an answer or a text; None: `WRITING_TOKENS` for a text, as many as the longest option needs for an answer."""
    patience_s: float = 600.0
    """How long to retry one request if the server is busy or cannot be reached."""
    max_requests: int | None = None
    max_cost: float | None = None
    prices: Prices | None = None
    confirm_upload: bool = False
    """Whether images may be sent to another machine."""
    replay: bool = False
    """Whether every answer must be in the log: nothing is sent."""
    log: Path | None = None
    """The answer log; None: in the cache folder."""

    def __post_init__(self) -> None:
        parts = _split(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"invalid base URL {self.base_url!r}", where="--base-url", fix="--base-url http://localhost:8000/v1")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            why = "a command line is seen by everybody on this machine, and is kept in the results"
            raise UsageError("the base URL holds more than an address", where="--base-url", why=why, fix="name host and path alone")
        if self.max_cost is not None and self.prices is None:
            raise UsageError("--max-cost requires --prices", why="what a token costs is not known", fix="--prices prices.toml")

    @property
    def writing_tokens(self) -> int:
        """Maximum number of tokens in a text."""
        return self.max_new_tokens or WRITING_TOKENS

    @property
    def host(self) -> str:
        """Host and port, as shown in reports."""
        return _split(self.base_url).netloc

    @property
    def chat_form(self) -> str:
        """The kind of a model that is asked about images, in records."""
        return f"endpoint at {self.host} (OpenAI's chat form)"

    @property
    def texts_form(self) -> str:
        """The kind of a model that embeds texts, in records."""
        return f"text encoder (endpoint at {self.host}, OpenAI's embeddings)"

    def log_of(self, model: str, cache: Path) -> Path:
        """The answer log of a model, in the cache folder if the options name none."""
        digest = hashlib.sha256(json.dumps([self.base_url, model]).encode()).hexdigest()[:32]
        return self.log or cache / "answers" / f"{digest}.log"

    @property
    def is_local(self) -> bool:
        """Whether requests stay on this machine."""
        name = _split(self.base_url).hostname or ""
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return name == "localhost" or name.endswith(".localhost")


def say_the_way(settings: EndpointSettings) -> None:
    """Log what users may not expect about the connection to a server: no encryption, or a proxy from the environment."""
    parts = _split(settings.base_url)
    if settings.is_local:  # then no proxy is used either
        return
    if parts.scheme == "http":
        log.warning("pictures and key travel unencrypted to %s: its address begins with http://", settings.host)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and not proxy_bypass(settings.host):
        log.info("requests to %s go by way of the proxy %s, which the environment names", settings.host, _host_of(proxy))


def _host_of(proxy: str) -> str:
    """Host and port of a proxy, without the name and password that its address may contain.

    Examples
    --------
    >>> _host_of("http://me:secret@proxy.example:3128/"), _host_of("me:se/cr@et@proxy.example:3128")
    ('proxy.example:3128', 'proxy.example:3128')
    """
    return proxy.rpartition("@")[2].rpartition("//")[2].partition("/")[0]


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        fix = "--base-url http://localhost:8000/v1"
        raise UsageError("invalid base URL", where="--base-url", why=str(error), fix=fix) from error
    return parts
