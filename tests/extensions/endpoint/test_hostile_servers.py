"""Servers that never end, send too much, or answer another question: bounded in time and memory, and never a wrong number."""

import gzip
import resource
import ssl
import subprocess
import threading
import time
import zlib
from functools import cache

import pytest

from audit.errors import MachineError
from audit.extensions.endpoint import client, sending
from audit.extensions.endpoint.connections import MOST_BYTES
from audit.extensions.endpoint.model import opened
from audit.extensions.endpoint.settings import EndpointSettings
from audit.types import Question
from tests.support.endpoint import Fault, Stub
from tests.support.model_folders import noise
from tests.support.raw_server import ANSWER, RawServer, flood, head, whole

ASKED = Question("Who?\n- woman\n- man\n- unclear", ("woman", "man", "unclear"), outcomes=("refusal", "unparsed"))
FACES = noise(*[(12, 12)] * 4)
WOMAN, MAN = 0, 1
SLACK_S = 10.0
"""Of a machine that is busy with other things."""


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")


def ask(url, folder, patience_s=1.0, in_flight=4):
    """Ask one question about four pictures; return the options that were given."""
    settings = EndpointSettings(url, mode="text", patience_s=patience_s, in_flight=in_flight, log=folder / "a.log")
    with opened("tiny", settings, folder) as model:
        return model.log_likelihoods(FACES, [ASKED]).argmax(axis=1).tolist()


# ---- how long to wait -------------------------------------------------------------------------------------------------------------------


WAITS = ["nan", "inf", "-5", "1e999", "0", "1e-300", "9" * 5000, "", "Fri, 01 Jan 99999 00:00:09 +99999999999"]


@pytest.mark.parametrize(
    ("name", "asked"), [*(("Retry-After", wait) for wait in WAITS), ("Retry-After-Ms", "nan"), ("Retry-After-Ms", "0")]
)
def test_no_wait_that_a_server_asks_for_defeats_patience_or_floods_it(name, asked, tmp_path):
    with Stub(lambda _: "man", fault=lambda count, _: Fault(503, b"{}", {name: asked})) as stub:
        began = time.monotonic()
        with pytest.raises(MachineError, match="no answer from"):
            ask(stub.url, tmp_path)
        assert time.monotonic() - began < 1 + SLACK_S
        # The trial alone is sent: at 0 s, then after pauses of at least 0.25 s and 0.5 s.
        assert 2 <= stub.requests <= 3


def test_a_wait_that_a_server_asks_for_is_waited_before_the_next_try(tmp_path):
    came = []

    def fault(count, _):
        came.append(time.monotonic())
        return Fault(429, b"{}", {"Retry-After": "0.8"}) if count == 1 else None

    with Stub(lambda _: "man", fault=fault) as stub:
        assert ask(stub.url, tmp_path, patience_s=20.0) == [MAN] * 4
    assert 0.8 <= came[1] - came[0] < 0.8 * 1.1 + SLACK_S


@pytest.mark.parametrize("date", [f"Fri, 01 Jan 2021 {'9' * 400}:00:09 GMT", "Fri, 31 Dec 9999 23:59:59 -2359", "(" * 50_000])
def test_a_date_that_is_none_changes_no_answer(date, tmp_path):
    with RawServer(lambda number: [whole(Date=date)]) as server:
        assert ask(server.url, tmp_path) == [MAN] * 4


def test_a_jump_of_the_clock_changes_no_patience(tmp_path, monkeypatch):
    jumps = iter([0.0, 1e9, -1e9, 1e12])
    monkeypatch.setattr(time, "time", lambda: 1e9 + next(jumps, 0.0))
    with Stub(lambda _: "man", fault=lambda count, _: Fault(503, b"{}") if count < 3 else None) as stub:
        assert ask(stub.url, tmp_path, patience_s=20.0) == [MAN] * 4


# ---- replies without end, or of any size ------------------------------------------------------------------------------------------------


def chunk(content):
    return b"%x\r\n%s\r\n" % (len(content), content)


CHUNKED = head(Transfer_Encoding="chunked")
PACKED = head(Transfer_Encoding="chunked", Content_Encoding="gzip")


@cache
def expansion_error():
    """Return 1 MB that unpacks to 1 GB: one megabyte packed by itself, 1,024 times. (Its checksum is not reached.)"""
    packed = zlib.compressobj(9, zlib.DEFLATED, 31)
    first, again = (packed.compress(bytes(1 << 20)) + packed.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + again * 1023


def test_the_bomb_unpacks_to_a_gigabyte():
    unpacked = zlib.decompressobj(31)
    assert sum(len(unpacked.decompress(expansion_error()[at : at + 4096])) for at in range(0, len(expansion_error()), 4096)) == 1 << 30


FLOODS = {
    "a slow head": lambda server: server.drip(whole()),
    "a slow body": lambda server: server.drip(head(Content_Length="9000") + b" " * 9000),
    "a slow refusal": lambda server: server.drip(head("401 Unauthorized", Content_Length="9000") + b" " * 9000),
    "headers": lambda server: flood(b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"a" * 1000 + b"\r\n"),
    "one header": lambda server: flood(b"HTTP/1.1 200 OK\r\nX: ", b"a" * 65536),
    "interim replies": lambda server: flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99),
    "chunks": lambda server: flood(CHUNKED, chunk(b" " * 65536)),
    "tiny chunks": lambda server: flood(CHUNKED, chunk(b" ") * 999),
    "a chunk's extension": lambda server: flood(CHUNKED + b"5;", b"a" * 65536),
    "trailers": lambda server: flood(CHUNKED + b"0\r\n", b"X-A: " + b"a" * 1000 + b"\r\n"),
    "8 GB": lambda server: flood(head(Content_Length=str(8 << 30)), b" " * 65536),
    "no length": lambda server: flood(head(Connection="close"), b" " * 65536),
    "a refusal": lambda server: flood(head("401 Unauthorized", Content_Length=str(8 << 30)), b" " * 65536),
    "gzip": lambda server: [whole(expansion_error(), Content_Encoding="gzip")],
    "gzip of a refusal": lambda server: [whole(expansion_error(), "401 Unauthorized", Content_Encoding="gzip")],
    "gzip of gzip": lambda server: [whole(gzip.compress(expansion_error()), Content_Encoding="gzip, gzip")],
    "gzip without end": lambda server: flood(PACKED, chunk(gzip.compress(b"") * 3000)),
    "brotli": lambda server: [whole(b"\x1b" * 99, Content_Encoding="br")],
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_reply_without_end_is_given_up_in_time_and_takes_little_memory(name, tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    server = RawServer(lambda number: FLOODS[name](server))
    with server:
        began = time.monotonic()
        with pytest.raises(MachineError, match=r"no answer from|not accept the key"):
            ask(server.url, tmp_path)
        assert time.monotonic() - began < 1 + client.LEAST_TRY_S + SLACK_S
        assert server.requests <= 6
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KB


@pytest.mark.slow_except("1-False")
@pytest.mark.parametrize(("room", "taken"), [(0, True), (1, False)])
def test_a_reply_is_read_up_to_the_cap_however_it_is_packed(room, taken, tmp_path):
    full = ANSWER + b" " * (MOST_BYTES + room - len(ANSWER))
    for reply in (whole(full), CHUNKED + chunk(full) + b"0\r\n\r\n", whole(gzip.compress(full), Content_Encoding="gzip")):
        folder = tmp_path / str(len(reply))
        folder.mkdir()
        with RawServer(lambda number, reply=reply: [reply]) as server:
            if taken:
                assert ask(server.url, folder) == [MAN] * 4
            else:
                with pytest.raises(MachineError, match="a reply of more than 4 MB"):
                    ask(server.url, folder)
            assert all(b"accept-encoding: gzip\r\n" in head.lower() + b"\r\n" for head in server.heads)


# ---- broken replies ---------------------------------------------------------------------------------------------------------------------


def ends(*parts):
    yield from parts
    raise StopAsyncIteration


def resets(*parts):
    yield from parts
    raise ConnectionResetError


BROKEN = {
    "HTTP/1.0, cut": lambda: ends(b"HTTP/1.0 200 OK\r\n\r\n" + ANSWER[:40]),
    "HTTP/0.9": lambda: ends(ANSWER),
    "a chunk that ends early": lambda: ends(CHUNKED + b"fffff\r\n" + ANSWER),
    "a chunk of less than nothing": lambda: ends(CHUNKED + b"-5\r\n" + ANSWER),
    "a chunk of all the world": lambda: ends(CHUNKED + b"f" * 30 + b"\r\n" + ANSWER),
    "less than no length": lambda: [head(Content_Length="-1") + ANSWER],
    "two lengths": lambda: [head(Content_Length=f"{len(ANSWER)}, 5") + ANSWER],
    "a reset in the body": lambda: resets(head(Content_Length="900"), b"{"),
    "a reset at once": lambda: resets(),
    "another protocol": lambda: [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n" + whole()],
    "nothing": lambda: [head("204 No Content")],
    "not gzip": lambda: [whole(ANSWER, Content_Encoding="gzip")],
    "deflate": lambda: [whole(zlib.compress(ANSWER), Content_Encoding="deflate")],
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_reply_is_no_answer_and_the_next_try_is(name, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.02)
    with RawServer(lambda number: BROKEN[name]()) as server, pytest.raises(MachineError, match=r"no answer from .*\nwhy: (?!\d)") as caught:
        ask(server.url, tmp_path, patience_s=0.1)
    assert max(map(len, str(caught.value).splitlines())) < 300
    with RawServer(lambda number: BROKEN[name]() if number % 2 else [whole()]) as server:
        assert ask(server.url, tmp_path, patience_s=20.0) == [MAN] * 4


def test_a_reply_without_length_is_read_to_the_end_of_its_connection(tmp_path):
    with RawServer(lambda number: ends(b"HTTP/1.0 200 OK\r\n\r\n" + ANSWER)) as server:
        assert ask(server.url, tmp_path) == [MAN] * 4


@pytest.mark.parametrize("together", [True, False])
def test_what_a_server_sends_too_much_is_not_the_answer_to_the_next_question(together, tmp_path):
    more = whole(ANSWER.replace(b"man", b"woman"))
    with RawServer(lambda number: [whole() + more] if together else [whole(), more]) as server:
        assert ask(server.url, tmp_path, in_flight=1) == [MAN] * 4
        assert server.connections == server.requests == 5


def test_cookies_of_a_server_are_not_sent_back(tmp_path):
    with RawServer(lambda number: [whole(Set_Cookie=f"a{number}={'x' * 50_000}")]) as server:
        assert ask(server.url, tmp_path) == [MAN] * 4
        assert max(map(len, server.heads)) < 1000


def test_requests_on_their_way_end_when_the_model_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(sending, "LAST_S", 0.5)
    with RawServer(lambda number: [whole()] if number == 1 else server.drip(whole())) as server:
        settings = EndpointSettings(server.url, mode="text", in_flight=4, log=tmp_path / "a.log")
        with opened("tiny", settings, tmp_path) as model:
            model.begin(FACES, [ASKED])
            while server.requests < 5:
                time.sleep(0.01)
            began = time.monotonic()
        assert time.monotonic() - began < 0.5 + SLACK_S
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("ask", "connections"))]


# ---- who the server is ------------------------------------------------------------------------------------------------------------------


AUTHORITY = """
[ca]
default_ca = made
[made]
database = index.txt
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A folder with an authority of its own (`ca.pem`), and certificates that it signed or did not."""
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)

    ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    signs = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")  # Python asks for it from 3.13 on, and for the key of the authority below
    openssl("req", "-x509", *ec, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "2", *signs)
    (folder / "ca.cnf").write_text(AUTHORITY)
    (folder / "index.txt").touch()
    made = {
        "good": ("IP:127.0.0.1", "490101000000Z"),
        "wrong": ("DNS:example.org", "490101000000Z"),
        "expired": ("IP:127.0.0.1", "190102000000Z"),
    }
    for name, (host, end) in made.items():
        (folder / "ext").write_text(f"subjectAltName={host}\nauthorityKeyIdentifier=keyid\n")
        openssl("req", *ec, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        dates = ("-startdate", "190101000000Z", "-enddate", end)
        openssl("ca", "-batch", "-config", "ca.cnf", "-in", f"{name}.csr", "-out", f"{name}.pem", "-extfile", "ext", "-notext", *dates)
    openssl(
        "req", "-x509", *ec, "-keyout", "self-signed.key", "-out", "self-signed.pem", "-subj", "/CN=x", "-days", "1",
        "-addext", "subjectAltName=IP:127.0.0.1",
    )  # fmt: skip
    return folder


def tls(folder, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


@pytest.mark.parametrize(
    ("name", "reason"),
    [("self-signed", "self.signed certificate"), ("expired", "certificate has expired"), ("wrong", "IP address mismatch")],
)
def test_a_server_that_cannot_prove_who_it_is_gets_no_image(name, reason, authority, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    with RawServer(lambda number: [whole()], tls(authority, name)) as server:
        began = time.monotonic()
        with pytest.raises(MachineError, match=f"certificate is not accepted(.|\n)*{reason}"):
            ask(server.url, tmp_path, patience_s=60.0)
        assert time.monotonic() - began < SLACK_S  # no try would change it
        assert server.requests == 0


def test_a_server_is_trusted_by_an_authority_that_the_environment_names_and_not_without(authority, tmp_path, monkeypatch):
    with RawServer(lambda number: [whole()], tls(authority, "good")) as server:
        with pytest.raises(MachineError, match="certificate is not accepted"):
            ask(server.url, tmp_path)
        assert server.requests == 0
        monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
        assert ask(server.url, tmp_path, patience_s=30.0) == [MAN] * 4


def test_encryption_to_a_plain_port_and_plain_text_to_an_encrypted_one_fail(authority, tmp_path):
    with RawServer(lambda number: [whole()]) as server, pytest.raises(MachineError, match="no answer from"):
        ask(server.url.replace("http://", "https://"), tmp_path)
    with RawServer(lambda number: [whole()], tls(authority, "good")) as server:
        with pytest.raises(MachineError, match="no answer from"):
            ask(server.url.replace("https://", "http://"), tmp_path)
        assert server.requests == 0
