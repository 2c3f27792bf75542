"""Servers that never end, or send something else: each is given up within its time, and nothing of it is kept."""

import itertools
import time

import pytest

from strictio.errors import DataError, MachineError
from strictio.streams import fetch as fetching
from strictio.streams.fetch import fetch
from tests.support.raw_server import RawServer, flood, head, whole

CHUNKED = head(Transfer_Encoding="chunked")
LONG = head(Content_Length="9000000")


def ends(content):
    yield LONG + content
    raise StopAsyncIteration


NEVER = {
    "a slow head": (lambda server: server.drip(whole(b"x" * 99)), "no reply begins"),
    "a slow body": (lambda server: itertools.chain([head(Content_Length="9000")], server.drip(b"x" * 9000)), "bytes in 0.3 s"),
    "interim replies": (lambda server: flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "no reply begins"),
    "a length that is no number": (lambda server: [head(Content_Length="nan") + b"x"], "timed out"),
    "a length of 5,000 digits": (lambda server: [head(Content_Length="9" * 5000) + b"x"], "timed out"),
    "a negative length": (lambda server: [head(Content_Length="-5") + b"x"], "timed out"),
    "another part": (lambda server: [whole(b"x" * 10, "206 Partial Content", Content_Range="bytes 5-14/100")], "another part"),
    "itself": (lambda server: [head("302 Found", Location=f"http://127.0.0.1:{server.port}/b.tar", Content_Length="0")], "302"),
    "a slow redirection": (
        lambda server: itertools.chain(
            [head("302 Found", Location=f"http://127.0.0.1:{server.port}/b.tar", Content_Length="9000")], server.drip(b"x" * 9000)
        ),
        "302",
    ),
    "a slow start after a break": (
        lambda server: ends(b"x" * (2 << 20)) if server.requests == 1 else itertools.chain([LONG], server.drip(b"x" * 9000)),
        "bytes in 0.3 s",
    ),
}


@pytest.mark.slow_except("a length of 5,000 digits", "another part", "itself", "a slow redirection", "a slow start after a break")
@pytest.mark.parametrize("name", NEVER)
def test_a_server_that_never_ends_or_sends_something_else_is_given_up(name, tmp_path, monkeypatch):
    for setting, value in (("TIMEOUT_S", 0.3), ("ATTEMPTS", 2), ("FIRST_WAIT_S", 0.01)):
        monkeypatch.setattr(fetching, setting, value)
    reply, reason = NEVER[name]
    server = RawServer(lambda number: reply(server))
    with server:
        began = time.monotonic()
        with pytest.raises(MachineError, match=f"cannot be fetched(.|\\n)*{reason}"):
            fetch(f"http://127.0.0.1:{server.port}/a.tar", tmp_path / "a.tar")
        assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "reply", [lambda number: flood(CHUNKED, b"ffff\r\n" + b" " * 0xFFFF + b"\r\n"), lambda number: [whole(b" " * (9 << 20))]]
)
def test_more_than_a_shard_may_hold_is_not_written(reply, tmp_path):
    with RawServer(reply) as server, pytest.raises(DataError, match="more than 5,000,000 bytes"):
        fetch(f"http://127.0.0.1:{server.port}/a.tar", tmp_path / "a.tar", 5_000_000)
    assert (tmp_path / "a.tar").stat().st_size <= 5_000_000


def test_a_server_cannot_send_on_to_another_protocol(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "FIRST_WAIT_S", 0.001)
    with RawServer(lambda number: []) as other:
        for scheme in ("ftp", "file"):
            location = f"{scheme}://127.0.0.1:{other.port}/etc/passwd"
            reply = head("302 Found", Location=location, Content_Length="0")
            with RawServer(lambda number, reply=reply: [reply]) as server, pytest.raises(MachineError, match="cannot be fetched"):
                fetch(f"http://127.0.0.1:{server.port}/a.tar", tmp_path / "a.tar")
        assert other.connections == 0
