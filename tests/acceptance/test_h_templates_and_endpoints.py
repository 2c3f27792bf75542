"""Rows H3, H5, H6 and H8: chat templates and servers that never end, take all memory, or give the key back."""

import base64
import gzip
import html
import json
import shutil
import time
from functools import cache
from urllib.parse import quote

import pytest

from tests.support.limits import limited_line, read_usage
from tests.support.raw_server import RawServer, flood, head, whole
from tests.support.tiers import first


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ 9**9**9 }}", "larger numbers or texts than any chat"),
        pytest.param("{{ 7 % 10 ** (10 ** 10) }}", "larger numbers or texts than any chat", marks=pytest.mark.slow),
        pytest.param(
            "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "does not end", marks=pytest.mark.slow
        ),
        pytest.param("{{ 'a' | center(999999999) }}", "more memory than any chat", marks=pytest.mark.slow),
    ],
)
def test_h3_a_chat_template_without_end_is_refused_within_seconds(bench, inputs, llava_folder, text, said):
    folder = shutil.copytree(llava_folder, bench.folder / "model")
    (folder / "chat_template.jinja").write_text(text)
    began = time.process_time()
    bench.run("--model", folder, "--probe", inputs / "short.py", "--data", inputs / "faces", code=4, said=[said, "fix: "])
    assert time.process_time() - began < 30  # of this process: loading; the template computed in its own


KEY = 'sk-"canary\\0123456789&'


@pytest.fixture
def served(bench, inputs, monkeypatch, tmp_path):
    """Return a function that audits a model behind a server that sends `reply`, and gives what that took: seconds and requests."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def served(reply, code, *said, patience_s=2):
        usage = tmp_path / "usage"
        with RawServer(reply) as server:
            words = ("--model", "api:tiny", "--base-url", server.url, "--patience", patience_s, "--answer-mode", "text", "--no-inference")
            began = time.monotonic()
            done = bench.process(
                *words, "--probe", inputs / "short.py", "--data", inputs / "faces", code=code, said=said, under=limited_line(usage)
            )
            took = time.monotonic() - began, server.requests
        assert read_usage(usage).peak_mib < 1024
        written = [path.read_bytes() for path in (*bench.out.rglob("*"), *bench.cache.rglob("*")) if path.is_file()]
        for text in (done.stdout, done.stderr, *(content.decode("utf-8", "replace") for content in written)):
            for part in ("canary", KEY[-12:], base64.b64encode(KEY.encode()).decode()[2:12]):
                assert part not in html.unescape(text)
        return took

    return served


@pytest.mark.slow
@pytest.mark.parametrize("wait", first(["nan"], of=["nan", "inf", "-1", "0"]))
def test_h5_no_wait_that_a_server_asks_for_defeats_patience_or_floods_it(served, wait):
    took_s, requests = served(lambda number: [whole(b"{}", "503 Busy", Retry_After=wait)], 5, "no answer from", "status 503")
    assert took_s < 60  # most of it is the start of a process
    assert 2 <= requests <= 6


def drip(number):
    """Send a byte of a refusal a second."""
    for byte in head("401 Unauthorized", Content_Length="60"):
        yield bytes([byte])
        time.sleep(0.5)


@cache
def expansion_error():
    return gzip.compress(gzip.compress(bytes(1 << 28)))


FLOODS = {
    "a byte now and then": drip,
    "chunks": lambda number: flood(head(Transfer_Encoding="chunked"), b"ffff\r\n" + b" " * 0xFFFF + b"\r\n"),
    "8 GB": lambda number: flood(head(Content_Length=str(8 << 30)), b" " * 65536),
    "gzip": lambda number: [whole(gzip.decompress(expansion_error()), Content_Encoding="gzip")],
    "gzip of gzip": lambda number: [whole(expansion_error(), Content_Encoding="gzip, gzip")],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", first(["gzip of gzip"], of=FLOODS))
def test_h6_a_reply_without_end_is_given_up_in_time_and_takes_little_memory(served, name):
    expansion_error()  # takes a second: made before the clock starts
    took_s, _ = served(FLOODS[name], 5, "no answer from", "\nfix: ")
    assert took_s < 60


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        f"<html><title>{''.join(f'&#{ord(letter)};' for letter in KEY)}</title></html>",
        pytest.param(json.dumps({"error": {"message": f"unknown: {KEY}"}}), marks=pytest.mark.slow),
        pytest.param(json.dumps({"sent": {"Authorization": f"Bearer {KEY}"}}), marks=pytest.mark.slow),
        pytest.param(json.dumps({"sent": f"Basic {base64.b64encode(f'user:{KEY}'.encode()).decode()}"}), marks=pytest.mark.slow),
        pytest.param(json.dumps({"url": f"/?key={quote(KEY)}"})[:-1], marks=pytest.mark.slow),
    ],
)
def test_h8_a_key_that_a_server_gives_back_is_shown_nowhere(served, body):
    served(lambda number: [whole(body.encode(), "401 Unauthorized")], 5, "does not accept the key", "[key]")
