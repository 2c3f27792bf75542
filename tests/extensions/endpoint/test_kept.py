"""What the answer log keeps of a reply, what counts as paid, and what a start says about its limits and its way to the server."""

import json
import logging

import pytest

from audit.errors import DataError, MachineError, UsageError
from audit.extensions.endpoint import client
from audit.extensions.endpoint.model import opened
from audit.extensions.endpoint.prices import Prices
from audit.extensions.endpoint.settings import EndpointSettings
from audit.types import Question
from tests.support.endpoint import Fault, Stub, error
from tests.support.model_folders import noise

KEY = "canary-0123-of-no-known-form"
ASKED = Question("Who?\n- woman\n- man\n- unclear", ("woman", "man", "unclear"), outcomes=("refusal", "unparsed"))
FACES = noise(*[(12, 12)] * 5)
UNPARSED, MAN = 4, 1


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(client, "LONGEST_WAIT_S", 0.05)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def ask(url, path, images=FACES, **more):
    """Ask one question about pictures; return what was answered for each, and the account."""
    with opened("tiny", EndpointSettings(url, **{"mode": "text", "patience_s": 0.6, "log": path, **more}), path.parent) as model:
        found = model.log_likelihoods(images, [ASKED]).argmax(axis=1).tolist()
        return found, model.account()


def man(asked):
    return "man"


def reply(text="man", **more):
    """Return a reply of status 200."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": text}, **more.pop("choice", {})}
    return Fault(body=json.dumps({"choices": [choice], **more}).encode())


def test_a_key_that_the_server_gives_back_is_not_kept_and_a_placeholder_changes_no_answer(tmp_path, monkeypatch):
    likely = {"logprobs": {"content": [{"top_logprobs": [{"token": KEY, "logprob": -0.1}]}]}}
    echo = reply(f"Bearer {KEY}!", model=f"m {KEY}", system_fingerprint=KEY, choice=likely, prompt_logprobs=[
        {"1": {"logprob": -1.0, "decoded_token": KEY}}
    ])  # fmt: skip
    with Stub(man, fault=lambda count, asked: echo) as stub:
        ask(stub.url, tmp_path / "a.log")
        kept = (tmp_path / "a.log").read_text()
        assert KEY not in kept
        assert kept.count("[key]") == 5 * (1 + len(FACES))
        halves = [{"1": {"logprob": -1.0, "decoded_token": half}} for half in (KEY[:9], KEY[9:])]
        stub.fault = lambda count, asked: reply(prompt_logprobs=halves)
        ask(stub.url, tmp_path / "c.log")
        assert KEY[9:] not in (tmp_path / "c.log").read_text()
        monkeypatch.setenv("OPENAI_API_KEY", "man")
        stub.fault = lambda count, asked: None
        assert ask(stub.url, tmp_path / "b.log")[0] == [MAN] * 5


def test_an_answer_is_kept_up_to_what_it_may_be_long(tmp_path):
    with Stub(lambda asked: "<think>" + "x" * 100_000 + "</think>man") as stub:
        assert ask(stub.url, tmp_path / "a.log")[0] == [MAN] * 5
        stub.answer = lambda asked: "man. " + "x" * 100_000
        assert ask(stub.url, tmp_path / "c.log")[0] == [MAN] * 5
        ask(stub.url, tmp_path / "b.log", max_new_tokens=1000)
    first, longer = ((tmp_path / name).stat().st_size for name in ("a.log", "b.log"))
    assert 6 * client.MOST_LETTERS < first < 6 * 5000
    assert 6 * 16_000 < longer < 6 * 17_000
    assert '"cut": true' in (tmp_path / "a.log").read_text()


def terms(url, path, **more):
    """Return what a server takes."""
    with opened("tiny", EndpointSettings(url, patience_s=0.6, log=path, **more), path.parent) as model:
        return model.terms


@pytest.mark.parametrize("status", [400, 422])
def test_a_trial_that_failed_is_tried_again_at_the_next_start(status, tmp_path):
    with Stub(man, fault=lambda count, asked: error(status, "model is still loading")) as stub:
        with pytest.raises(DataError, match="still loading"):
            ask(stub.url, tmp_path / "a.log")
        stub.fault = lambda count, asked: None
        assert (tmp_path / "a.log").read_bytes() == b""
        assert ask(stub.url, tmp_path / "a.log")[0] == [MAN] * 5


def test_a_mode_that_was_refused_stays_refused_so_that_a_rerun_pays_nothing(tmp_path):
    path = tmp_path / "a.log"
    with Stub(man, fault=lambda count, asked: error(422, "no schema") if "response_format" in asked.body else None) as stub:
        first = terms(stub.url, path)
        assert first.notes[-1].values == {"mode": "schema", "why": "status 422: no schema"}
        sent = stub.requests
        stub.fault, stub.serves = lambda count, asked: None, frozenset({"schema"})
        assert terms(stub.url, path) == terms(stub.url, path, replay=True) == first
        assert stub.requests == sent
        assert terms(stub.url, tmp_path / "b.log").mode == "schema"


EMPTY = Fault(body=json.dumps({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 20}}).encode())
PRICES = Prices("EUR", input=1000.0, output=10_000.0, image_tokens=90)
"""100 tokens that are sent cost 0.10, 20 that are answered 0.20."""


def test_replies_without_an_answer_end_as_an_outcome_and_all_their_tokens_are_counted(tmp_path):
    with Stub(man, fault=lambda count, asked: EMPTY if 1 < count <= 4 or count == 5 else None) as stub:
        found, account = ask(stub.url, tmp_path / "a.log", prices=PRICES, in_flight=1)
        assert found == [UNPARSED] + [MAN] * 4  # three replies to the first picture, then one of two to the second
        assert stub.requests == 1 + 3 + 2 + 3
        assert account.sent >= 800
        stub.fault = lambda count, asked: EMPTY
        assert ask(stub.url, tmp_path / "a.log", prices=PRICES)[0] == found
        with pytest.raises(DataError, match="not an answer"):  # not even the trial
            ask(stub.url, tmp_path / "b.log")


def test_limits_see_replies_without_an_answer_and_errors_say_what_was_spent(tmp_path):
    with Stub(man, fault=lambda count, asked: EMPTY if count > 1 else None) as stub:
        with pytest.raises(MachineError, match=r"--max-cost is reached.*\nwhy: 5 requests were sent and 1\.32 EUR were spent"):
            ask(stub.url, tmp_path / "a.log", in_flight=1, max_cost=1.5, prices=PRICES)
        # The trial 0.12, each empty reply 0.30, and one is expected to cost 0.3: 0.12 + 4 x 0.30 = 1.32 is the last below.
        assert stub.requests == 5
        stub.fault = lambda count, asked: error(503, "busy") if count > 7 else None
        with pytest.raises(
            MachineError, match=r"no answer from .*\nwhy: status 503: busy; \d+ requests were sent and 0\.\d+ EUR were spent"
        ):
            ask(stub.url, tmp_path / "b.log", in_flight=1, prices=PRICES)


def test_a_limit_is_one_of_this_start_and_its_error_says_what_all_starts_paid(tmp_path):
    with Stub(man, latency_s=0.05) as stub:
        for holds in (2, 4):  # what was on its way when the limit was reached is counted too
            with pytest.raises(MachineError, match=f"why: 2 requests were sent in this start; the log holds {holds} answers"):
                ask(stub.url, tmp_path / "a.log", in_flight=4, max_requests=2)
        stub.latency_s = 0.0
        with pytest.raises(
            MachineError, match=r"why: 1 requests were sent and 0\.12 EUR were spent in this start; the log holds 5 answers for 0\.6 EUR"
        ):
            ask(stub.url, tmp_path / "a.log", in_flight=1, max_cost=0.4, prices=PRICES)
        assert stub.requests == 5


def test_a_replay_says_that_what_is_known_to_be_missing_is_the_least(tmp_path):
    with Stub(man) as stub:
        ask(stub.url, tmp_path / "a.log", FACES[:2])
        with pytest.raises(DataError, match=r"lacks at least 3 of the answers(.|\n)*the log holds 3 answers"):
            ask(stub.url, tmp_path / "a.log", replay=True)


@pytest.mark.parametrize("sent", [-7, True, "many", None, 1e300, float("nan")])
def test_numbers_of_tokens_that_cannot_be_are_not_given(sent, tmp_path):
    given = reply(usage={"prompt_tokens": sent, "completion_tokens": 2})
    with Stub(man, fault=lambda count, asked: given) as stub:
        found, account = ask(stub.url, tmp_path / "a.log", prices=PRICES)
    assert found == [MAN] * 5
    assert (account.sent, account.answered, account.cost) == (0, 2 * (1 + 5), None)


def test_the_trial_is_paid_too(tmp_path):
    with Stub(man) as stub:
        for more in ({}, {"replay": True}):
            account = ask(stub.url, tmp_path / "a.log", prices=PRICES, **more)[1]
            assert (account.images, account.answers, account.sent, account.answered) == (5, 5, 600, 12)
            assert account.cost == pytest.approx(0.6 + 0.12)


@pytest.mark.parametrize("key", ["sk-secret\u2013dash", "sk-secret\u00e9", "sk-secret\nline"])
def test_a_key_that_cannot_be_sent_is_said_without_it(key, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UsageError, match="the key cannot be sent") as caught:
        ask("http://127.0.0.1:9/v1", tmp_path / "a.log")
    assert "OPENAI_API_KEY" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def said_of_the_way(url, path, caplog):
    """Return what is said when a model is opened, before anything is sent."""
    caplog.clear()
    with caplog.at_level(logging.INFO, "audit"), opened("tiny", EndpointSettings(url, confirm_upload=True, log=path), path.parent):
        return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_what_travels_unencrypted_or_by_a_proxy_is_said(tmp_path, monkeypatch, caplog):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    path = tmp_path / "a.log"
    plain, coded = "http://vision.example.org:8000/v1", "https://vision.example.org/v1"
    ((level, words),) = said_of_the_way(plain, path, caplog)
    assert level == "WARNING"
    assert words.startswith("pictures and key travel unencrypted to vision.example.org:8000")
    assert said_of_the_way(coded, path, caplog) == []
    for name in ("HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://me:secret@proxy.example:3128")
        ((level, words),) = said_of_the_way(coded, path, caplog)
        assert level == "INFO"
        assert "proxy proxy.example:3128" in words
        assert "secret" not in words
        monkeypatch.delenv(name)
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    assert len(said_of_the_way(plain, path, caplog)) == 2
    assert said_of_the_way("http://127.0.0.1:8000/v1", path, caplog) == []
    monkeypatch.setenv("NO_PROXY", "example.org")
    assert len(said_of_the_way(plain, path, caplog)) == 1
