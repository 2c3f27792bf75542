"""Replies and answer logs with values that none can have: an answer, a documented error, or a question asked again; never a crash."""

import hashlib
import json
import math
import os
import socket
import time

import numpy as np
import pytest

from audit.errors import AuditError, DataError
from audit.extensions.endpoint import client
from audit.extensions.endpoint.answer_log import MOST_LINE, Answer, answer_of_line, line_of_answer
from audit.extensions.endpoint.model import opened
from audit.extensions.endpoint.settings import EndpointSettings
from audit.types import Question
from tests.support.endpoint import Fault, Stub
from tests.support.model_folders import noise
from tests.support.tiers import TENTH

OUTCOMES = ("refusal", "unparsed")
ASKED = Question("Who?\n- woman\n- man\n- unclear", ("woman", "man", "unclear"), outcomes=OUTCOMES)
LETTERS = Question("Who?\nA. woman\nB. man\nC. unclear", ("woman", "man", "unclear"), outcomes=OUTCOMES, letters=("A", "B", "C"))
FACES = noise(*[(12, 12)] * 3)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(client, "LONGEST_WAIT_S", 0.05)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")


def asked(url, path, question=ASKED, mode="text", **more):
    """Ask one question about pictures; return the numbers, and the account."""
    settings = EndpointSettings(url, **{"mode": mode, "patience_s": 0.3, "in_flight": 2, "log": path, **more})
    with opened("tiny", settings, path.parent) as model:
        return model.log_likelihoods(FACES, [question]), model.account()


HUGE = "9" * 400
VALUES = (
    "null", "true", "0", "-1", "1e999", "-1e999", "NaN", "-Infinity", HUGE, "9" * 5000, '""', '"x"', '"\\ud800"', '"\\u0000"', "[]", "{}",
    "[null]", '{"content": null}', "[" * 900 + "]" * 900, "[" * 100_000, '{"a":' * 900 + "1" + "}" * 900, '["' + "x" * 100_000 + '"]',
)  # fmt: skip
"""JSON, as it is written: also what Python cannot write."""
FIELDS = (
    "model", "system_fingerprint", "usage", "choices", "prompt_logprobs", "usage.prompt_tokens", "usage.completion_tokens", "choices.0",
    "choices.0.message", "choices.0.message.content", "choices.0.message.refusal", "choices.0.finish_reason", "choices.0.logprobs",
    "choices.0.logprobs.content", "choices.0.logprobs.content.0", "choices.0.logprobs.content.0.top_logprobs",
    "choices.0.logprobs.content.0.top_logprobs.0", "choices.0.logprobs.content.0.top_logprobs.0.token",
    "choices.0.logprobs.content.0.top_logprobs.0.logprob", "prompt_logprobs.1", "prompt_logprobs.1.7.logprob",
    "prompt_logprobs.1.7.decoded_token",
)  # fmt: skip


def reply_with(field, value):
    """Return a good reply in which one field is other JSON."""
    top = [{"token": letter, "logprob": math.log(chance)} for letter, chance in (("B", 0.9), ("A", 0.05))]
    choice = {"message": {"content": "B"}, "finish_reason": "stop", "logprobs": {"content": [{"top_logprobs": top}]}}
    prompt = [None, {"7": {"logprob": -1.0, "decoded_token": "man"}}]
    whole = {"model": "tiny", "usage": {"prompt_tokens": 3, "completion_tokens": 1}, "choices": [choice], "prompt_logprobs": prompt}
    *path, last = field.split(".")
    inner = whole
    for name in path:
        inner = inner[int(name) if isinstance(inner, list) else name]
    inner[int(last) if isinstance(inner, list) else last] = "HERE"
    return json.dumps(whole).replace('"HERE"', value).encode()


def outcome(url, path, mode, **more):
    """Return the numbers of a question in one of the modes; None if it ends in a documented error."""
    try:
        rows, account = asked(url, path, LETTERS, mode, patience_s=0.02, **more)
    except AuditError as error:
        return None if error.exit_code in (3, 5) and max(map(len, str(error).splitlines())) < 400 else error
    assert 0 <= account.sent < 1e12
    return rows


@pytest.mark.parametrize("step", TENTH)
@pytest.mark.parametrize("field", FIELDS)
def test_any_value_in_any_field_gives_numbers_or_a_documented_error(field, step, tmp_path):
    """A tenth of the values begins with another one for each field, so that all are tried."""
    with Stub(lambda _: "man") as stub:
        for number, value in list(enumerate(VALUES))[FIELDS.index(field) % step :: step]:
            body = reply_with(field, value)
            stub.fault = lambda count, _, body=body: Fault(body=body)
            for mode in ("letter", "likelihood", "text"):
                path = tmp_path / f"{mode}{number}.log"
                rows = outcome(stub.url, path, mode)
                if rows is not None:
                    assert np.isfinite(rows).all()
                    assert rows.max() <= 0.05
                    np.testing.assert_array_equal(outcome(stub.url, path, mode, replay=True), rows)


def test_ten_thousand_choices_are_read_as_the_first(tmp_path):
    choices = [{"message": {"content": "man"}}, *[{"message": {"content": "woman"}}] * 10_000]
    with Stub(lambda _: "man", fault=lambda count, _: Fault(body=json.dumps({"choices": choices}).encode())) as stub:
        rows, _ = asked(stub.url, tmp_path / "a.log")
    assert rows.argmax(axis=1).tolist() == [1] * 3


@pytest.mark.parametrize(
    "text",
    [
        "<think>" * 5000,
        "(" * 100_000,
        "a " * 50_000 + "!",
        "\u202eman",
        "i'm sorry " * 9000,
        "- " * 50_000,
        "\n" * 99_999 + "man",
        "the " * 30_000,
    ],
)
def test_no_text_of_an_answer_takes_long_to_read(text, tmp_path):
    began = time.process_time()
    with Stub(lambda _: text) as stub:
        rows, _ = asked(stub.url, tmp_path / "a.log", patience_s=30.0)
    assert time.process_time() - began < 10
    assert set(rows.argmax(axis=1)) <= {1, 3, 4}


# ---- answer logs that somebody made ---------------------------------------------------------------------------------------------------


def line(content):
    """Return a line with the checksum that fits."""
    return hashlib.sha256(content).hexdigest()[:16].encode() + b" " + content + b"\n"


POISON = (
    "[]", "{", "", "[" * 100_000, "5", "null",
    '{"text": "man"}', '{"key": 5}', '{"key": "zz"}', '{"key": "ab"}', '{"key": KEY, "x": 1}',
    '{"key": KEY, "text": 5}', '{"key": KEY, "text": null}', '{"key": KEY, "date": [1]}', '{"key": KEY, "version": {"a": 1}}',
    '{"key": KEY, "refused": "no"}', '{"key": KEY, "cut": 1}', '{"key": KEY, "facts": ["a"]}', '{"key": KEY, "facts": {"refused": 5}}',
    '{"key": KEY, "sent": NaN}', '{"key": KEY, "sent": -5}', '{"key": KEY, "answered": 1e300}', '{"key": KEY, "answered": true}',
    '{"key": KEY, "top": 5}', '{"key": KEY, "top": [["A", 5.0]]}', '{"key": KEY, "top": [["A", -1e999]]}',
    '{"key": KEY, "top": [["A", -1, 2]]}', '{"key": KEY, "prompt": [[1, -1.0]]}', '{"key": KEY, "prompt": ["ab"]}',
)  # fmt: skip


@pytest.mark.parametrize("content", POISON)
def test_a_line_that_no_run_wrote_is_left_out_and_its_question_asked_again(content, tmp_path, caplog):
    path = tmp_path / "a.log"
    with Stub(lambda _: "man") as stub:
        first, account = asked(stub.url, path)
        keys = [json.loads(splitline.partition(" ")[2])["key"] for splitline in path.read_text().splitlines()]
        poison = line(content.replace("KEY", json.dumps(keys[-1])).encode())
        assert answer_of_line(poison) is None
        path.write_bytes(poison + b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
        again, _ = asked(stub.url, path)
        assert sum(stub.answered.values()) == 4 + 1
        np.testing.assert_array_equal(again, first)
        assert "1 damaged lines" in caplog.text
        replayed, third = asked(stub.url, path, replay=True)
        np.testing.assert_array_equal(replayed, first)
        assert (third.sent, third.answered) == (account.sent, account.answered)
        assert sum(stub.answered.values()) == 5
        path.write_bytes(poison)
        with pytest.raises(DataError, match="lacks at least"):
            asked(stub.url, path, replay=True)


def test_lines_without_end_are_passed_over_in_pieces(tmp_path, monkeypatch):
    path = tmp_path / "a.log"
    with Stub(lambda _: "man") as stub:
        first, _ = asked(stub.url, path)
        good = path.read_bytes()
        monkeypatch.setattr("audit.extensions.endpoint.answer_log.MOST_LINE", 1000)
        path.write_bytes(b"x" * 10_500 + b"\n" + good)
        again, _ = asked(stub.url, path, replay=True)
        np.testing.assert_array_equal(again, first)
    assert MOST_LINE == 64 << 20


def test_a_log_that_is_not_a_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    with socket.socket(socket.AF_UNIX) as plug:
        plug.bind(str(tmp_path / "socket"))
        for name in ("pipe", "folder", "link", "socket"):
            with pytest.raises(AuditError, match=r"answer log cannot be opened|link is a link"):
                asked("http://127.0.0.1:9/v1", tmp_path / name, replay=True)
    (tmp_path / "b.log.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(AuditError):
        asked("http://127.0.0.1:9/v1", tmp_path / "b.log", replay=True)
    assert not (tmp_path / "victim").exists()


def test_what_an_answer_can_hold_comes_back_as_it_was():
    answer = Answer("é \u2028 \n", True, (("A", -9999.0), ("B", 1e-9)), ((" man", -0.5),), "m", "v", "2026", 5, 2, True, {"empty": "x"})
    assert answer_of_line(line_of_answer("ab" * 32, answer)) == ("ab" * 32, answer)


@pytest.mark.parametrize("questions", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_thousands_of_questions_about_a_picture_are_asked_and_read_in_bounded_time(questions, tmp_path):
    made = [Question(f"Number {i}?\n- woman\n- man\n- unclear", ASKED.options, outcomes=OUTCOMES) for i in range(questions)]
    with Stub(lambda asked: "man") as stub:
        settings = EndpointSettings(stub.url, mode="text", in_flight=16, patience_s=60.0, log=tmp_path / "a.log")
        with opened("tiny", settings, tmp_path) as model:
            rows = model.log_likelihoods(FACES[:1], made)
        assert sum(stub.answered.values()) == questions + 1
    assert (rows.reshape(questions, 5).argmax(axis=1) == 1).all()
