"""The key in whatever code a server gives it back: nowhere in errors, on stderr, in the log, or in what is kept of an answer."""

import base64
import html
import json
import logging
import time
from urllib.parse import quote

import pytest

from audit.errors import AuditError
from audit.extensions.endpoint import client
from audit.extensions.endpoint.complaints import cleaned, masked
from audit.extensions.endpoint.model import opened
from audit.extensions.endpoint.settings import EndpointSettings
from audit.types import Question
from tests.support.endpoint import Fault, Stub
from tests.support.model_folders import noise

ASKED = Question("Who?\n- woman\n- man\n- unclear", ("woman", "man", "unclear"), outcomes=("refusal", "unparsed"))
FACES = noise(*[(12, 12)] * 2)
KEYS = ("canary-0123-of-no-known-form", "ca\"na\\ry/01&23<of>%2Bno'form", "canaRY+/0123==")


def of_each(key, form):
    return "".join(form(ord(letter)) for letter in key)


def in_base64(text, coded=base64.b64encode):
    return coded(text.encode()).decode()


CODES = {
    "as it is": str,
    "in capitals": str.upper,
    "entities by number": lambda key: of_each(key, "&#{};".format),
    "entities in hex": lambda key: of_each(key, "&#x{:04X};".format),
    "entities without end": lambda key: of_each(key, "&#{:09d}".format),
    "entities of markup": html.escape,
    "entities of entities": lambda key: html.escape(of_each(key, "&#{};".format)),
    "every other letter an entity": lambda key: "".join(f"&#{ord(c)};" if i % 2 else c for i, c in enumerate(key)),
    "a string of JSON": lambda key: json.dumps(key)[1:-1],
    "JSON within JSON": lambda key: json.dumps(json.dumps(key)),
    "JSON of PHP": lambda key: json.dumps(key)[1:-1].replace("/", "\\/"),
    "JSON by number": lambda key: of_each(key, "\\u{:04x}".format),
    "Python": lambda key: repr(key)[1:-1],
    "Python by number": lambda key: of_each(key, "\\x{:02x}".format),
    "a part of a URL": lambda key: quote(key, safe=""),
    "a URL by number": lambda key: of_each(key, "%{:02x}".format),
    "a URL in a URL": lambda key: quote(of_each(key, "%{:02X}".format), safe=""),
    "a URL in JSON in HTML": lambda key: html.escape(json.dumps(quote(key, safe=""))),
    "base64": in_base64,
    "base64 of user and key": lambda key: f"Basic {in_base64(f'user:{key}')}",
    "base64 of a longer user": lambda key: in_base64(f"users:{key}:realm"),
    "base64 of the longest user": lambda key: in_base64(f"users1:{key}!"),
    "base64 of a URL": lambda key: in_base64(f"u:{key}", base64.urlsafe_b64encode).rstrip("="),
    "base64 of a URL in a URL": lambda key: quote(in_base64(f"u:{key}"), safe=""),
    "base64 in lines": lambda key: "\n".join(in_base64("user:" + key)[i : i + 16] for i in range(0, 60, 16)),
    "hex": lambda key: key.encode().hex(),
    "HEX": lambda key: key.encode().hex().upper(),
    "folded": lambda key: f"{key[:9]}\r\n\t {key[9:]}",
    "soft hyphens": "\u00ad".join,
    "blanks of no width": "\u200b".join,
    "spaced": " ".join,
    "in tags": lambda key: f"<b>{html.escape(key[:5])}</b><!-- x -->{html.escape(key[5:])}",
    "full of nulls": "\0".join,
}


def traces(key):
    """Return parts of a key that no text may hold, in the codes that a reader undoes by eye or with one command."""
    parts = [key[i : i + 6] for i in range(0, len(key) - 5, 3)]
    return [code for part in parts for code in (part, html.escape(part), json.dumps(part)[1:-1], quote(part, safe=""), part.encode().hex())]


def holds(text, key):
    """Tell whether a text shows the key, or six of its letters in a row."""
    bare = "".join(letter for letter in text if "!" <= letter <= "~").casefold()
    return any(trace.casefold() in bare for trace in traces(key))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("code", CODES)
def test_a_key_is_masked_in_every_code(code, key):
    shown = CODES[code](key)
    for text in (f"you sent {shown}, which is unknown", shown, f"{shown}{shown}", f"x&amp;y %41 \\u0041 {shown} of {key}"):
        for safe in (masked(text, key), cleaned(text, key), cleaned(f"<html><head><title>{text}</title></head></html>", key)):
            assert "[key]" in safe
            assert not holds(safe, key)
            assert not holds(html.unescape(safe), key)
            assert in_base64(key)[2:-4] not in safe


@pytest.mark.parametrize(
    "text", ["a &lt; b", "100%25", "C:\\new\\u0041", "<b>bold</b>", "canary-0123", "Zm9vYmFy", "caf\u00e9 \ud800", "x" * 9999]
)
def test_a_text_without_the_key_is_left_as_it_is(text):
    assert masked(text, KEYS[0]) == text


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.01)


PLACES = {
    "a page of 401": lambda key: Fault(401, f"<html><title>{key}</title></html>".encode(), {"Content-Type": "text/html"}),
    "an error of 401": lambda key: Fault(401, json.dumps({"error": {"message": f"unknown key {key}"}}).encode()),
    "JSON of no form": lambda key: Fault(401, json.dumps({"sent": {"authorization": [key]}}).encode()),
    "JSON that is cut": lambda key: Fault(401, json.dumps({"sent": key}).encode()[:-1]),
    "a busy server": lambda key: Fault(503, json.dumps({"detail": key}).encode()),
    "a page instead of an answer": lambda key: Fault(200, f"<!doctype html><title>{key}</title>".encode()),
    "a reply without an answer": lambda key: Fault(200, json.dumps({"choices": [], "note": key}).encode()),
    "a refused form": lambda key: Fault(422, json.dumps({"detail": [{"input": key}]}).encode()),
    "a filter": lambda key: Fault(400, json.dumps({"error": {"code": "content_filter", "message": key}}).encode()),
}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("code", ["as it is", "entities by number", "JSON by number", "base64 of user and key", "folded"])
@pytest.mark.parametrize("key", KEYS[:2])
def test_an_error_and_what_is_logged_hold_no_key(place, code, key, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    fault = PLACES[place](CODES[code](key))
    settings = EndpointSettings("http://127.0.0.1/v1", mode="text", patience_s=0.1, log=tmp_path / "a.log")
    said = ""
    with Stub(lambda _: "man", fault=lambda count, _: fault) as stub, caplog.at_level(logging.DEBUG):
        settings = EndpointSettings(stub.url, mode="text", patience_s=0.1, log=tmp_path / "a.log")
        try:
            with opened("tiny", settings, tmp_path) as model:
                model.log_likelihoods(FACES, [ASKED])
        except AuditError as error:
            said = f"{error} {error.__cause__}"
    assert said or place == "a filter"
    for text in (said, caplog.text, (tmp_path / "a.log").read_text()):
        assert not holds(text, key)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("code", CODES)
def test_an_answer_that_gives_the_key_back_is_kept_without_it(code, tmp_path, monkeypatch):
    key = KEYS[1]
    monkeypatch.setenv("OPENAI_API_KEY", key)
    shown = CODES[code](key)
    tokens = [{"token": part, "logprob": -0.1} for part in (shown, shown[: len(shown) // 2], shown[len(shown) // 2 :])]
    choice = {"message": {"content": f"man {shown}"}, "logprobs": {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": tokens}]}}
    prompt = [{"1": {"logprob": -1.0, "decoded_token": part}} for part in (shown[:5], shown[5:])]
    reply = {"model": shown, "system_fingerprint": shown, "choices": [choice], "prompt_logprobs": prompt}
    with Stub(lambda _: "man", fault=lambda count, _: Fault(body=json.dumps(reply).encode())) as stub:
        settings = EndpointSettings(stub.url, mode="text", patience_s=1.0, log=tmp_path / "a.log")
        with opened("tiny", settings, tmp_path) as model:
            model.log_likelihoods(FACES, [ASKED])
    kept = (tmp_path / "a.log").read_text()
    assert kept.count("[key]") >= 3 * 3
    for line in kept.splitlines():
        assert not holds(json.dumps(json.loads(line.partition(" ")[2]), ensure_ascii=False).replace("\\\\", "\\"), key)


@pytest.mark.slow
def test_a_text_of_any_length_and_code_is_searched_within_seconds():
    began = time.process_time()
    for text in (
        "&lt;%41\\u0041<b>" * 30_000,
        "&amp;amp;amp;%2525\\\\\\\\" * 20_000,
        KEYS[1][0] * 400_000,
        of_each(KEYS[1] * 9999, "&#{};".format),
    ):
        assert masked(text, KEYS[1]) in (text, f"[{len(text):,} characters]")
    assert time.process_time() - began < 20
    assert masked("a" * (1 << 19), KEYS[1]) == "a" * (1 << 19)
