"""Connections to one server, with bounded replies and an overall deadline per request; uses those of the package `openai`.

Its library bounds each step of a request, but not their sum, so a server that sends a byte now and then never times out. Here every
connection is monitored from its start, and closed at the deadline of its request, which ends all waiting at once.
"""

from __future__ import annotations

import math
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.cookiejar import DefaultCookiePolicy
from importlib import import_module
from typing import Any, NamedTuple

from audit.errors import MachineError
from audit.extensions.endpoint.complaints import BusyError, cleaned
from audit.extensions.endpoint.settings import EndpointSettings

CONNECT_S = 10.0
"""Timeout of establishing a connection: an address that does not answer is wrong, or its server does not run."""
MOST_BYTES = 4 << 20
"""Maximum size of a reply, compressed and uncompressed. Likelihoods of a prompt with 10,000 image tokens take 1 MB."""
_TICK_S = 0.05
"""Interval at which connections are checked."""


class Reply(NamedTuple):
    """A server's reply."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    """The decompressed body, or a sentence that says why it is unavailable."""


class StoppedError(Exception):
    """Another request ended the run."""


class Connections:
    """Sends requests from any number of threads; `close` aborts those in flight."""

    def __init__(self, settings: EndpointSettings, key: str, path: str):
        self._key = key
        self._http, self._headers, self._library = _http_client(settings, key)
        self._url = settings.base_url.rstrip("/") + path
        self._open: dict[socket.socket, float] = {}
        """Connection -> its deadline."""
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="connections", daemon=True).start()

    def post(self, content: bytes, timeout_s: float) -> Reply:
        """Send a request and return the reply.

        Raises `BusyError` if there is no reply in time or the connection fails, MachineError if the server's identity cannot be verified,
        and `StoppedError` if the connections are closed.
        """
        until, failure = time.monotonic() + timeout_s, None
        # A third of the time each for connecting and for encryption; the other steps are bounded by the deadline.
        timeout = self._library.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s / 3))
        try:
            with self._watched(until) as trace:
                options = {"headers": self._headers, "timeout": timeout, "extensions": {"trace": trace}}
                with self._http.stream("POST", self._url, content=content, **options) as received:
                    reply = Reply(received.status_code, received.headers, _body(received))
        except RuntimeError:  # the client is closed
            if not self._closed.is_set():
                raise
        except self._library.HTTPError as error:
            failure = self._failure(error)
        if self._closed.is_set():
            raise StoppedError
        if time.monotonic() >= until:  # then the body may have ended because of the deadline
            raise BusyError(f"no answer within {timeout_s:.3g} s", by_server=True)
        if failure is not None:
            raise failure
        return reply

    def _failure(self, error: Exception) -> BusyError | MachineError:
        why = cleaned(str(error) or type(error).__name__, self._key)
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            return BusyError(why)
        fix = "correct the address or the clock, or name the authority that signed it: export SSL_CERT_FILE=ca.pem"
        return MachineError("the server's certificate is not accepted", where="--base-url", why=why, fix=fix)

    @contextmanager
    def _watched(self, until: float) -> Iterator[Any]:
        """Yield the callback for each step of a request; the connection that it opens is closed at the deadline."""
        opened: list[socket.socket] = []

        def trace(event: str, about: Mapping[str, Any]) -> None:
            if event.endswith("connect_tcp.complete"):
                # A duplicate handle: the library wraps its own for encryption and may close it at any time.
                opened.append(about["return_value"].get_extra_info("socket").dup())
                self._open[opened[-1]] = until
                if self._closed.is_set():
                    self._shut(math.inf)

        try:
            yield trace
        finally:
            for connection in opened:
                del self._open[connection]
                connection.close()

    def _watch(self) -> None:
        while not self._closed.wait(_TICK_S):
            self._shut(time.monotonic())

    def _shut(self, now: float) -> None:
        for connection, until in list(self._open.items()):
            if now >= until:
                with suppress(OSError):  # already closed
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close all connections and abort all requests."""
        self._closed.set()
        self._shut(math.inf)
        self._http.close()


def _body(received: Any) -> bytes:
    """Read and decompress the body of a response in steps: at most `MOST_BYTES` compressed and uncompressed."""
    coding = received.headers.get("content-encoding", "identity").strip().casefold()
    if coding not in ("identity", "gzip"):
        return b"a reply that is packed in a way that was not asked for"
    unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS) if coding == "gzip" else None
    body, sent = bytearray(), 0
    for chunk in received.iter_raw():
        sent += len(chunk)
        try:
            body += unpacking.decompress(chunk, MOST_BYTES + 1 - len(body)) if unpacking else chunk
        except zlib.error:
            return b"a reply that is said to be packed by gzip and is not"
        if max(sent, len(body)) > MOST_BYTES:
            return b"a reply of more than %d MB" % (MOST_BYTES >> 20)
    return bytes(body)


def _http_client(settings: EndpointSettings, key: str) -> tuple[Any, dict[str, str], Any]:
    """An HTTP client, the headers of every request, and the library that defines the connection errors."""
    try:
        import openai
    except ImportError as error:
        fix = "pip install openai"
        raise MachineError("asking a model behind an endpoint needs the package openai", where="--model", fix=fix) from error
    library = import_module(type(openai.DEFAULT_CONNECTION_LIMITS).__module__.partition(".")[0])  # httpx, or its successor
    http = openai.DefaultHttpxClient(
        trust_env=not settings.is_local,  # no proxy for a local server
        verify=_certificates(settings, library),
        follow_redirects=False,  # no server may redirect images to another one
        limits=library.Limits(max_connections=settings.in_flight, max_keepalive_connections=0),
    )
    http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))  # a server could set any number of them
    client = openai.OpenAI(base_url=settings.base_url, api_key=key, http_client=http)
    stated = {**client.default_headers, **client.auth_headers}  # including organisation and project from the environment
    headers = {name: value for name, value in stated.items() if isinstance(value, str)}
    # One request per connection: on a reused one, excess data from a server or proxy would be read as the answer to the next question.
    return http, {**headers, "Accept-Encoding": "gzip", "Connection": "close"}, library


def _certificates(settings: EndpointSettings, library: Any) -> ssl.SSLContext:
    """Return the accepted certificates: none for a local server without encryption, because loading them takes longer than its answer."""
    if settings.is_local and settings.base_url.startswith("http:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context: ssl.SSLContext = library.create_ssl_context()  # SSL_CERT_FILE applies to local servers, too
    return context
