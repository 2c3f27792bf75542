"""An endpoint that embeds texts: batches, retries, prices and the log are those of other endpoints, and no image is ever sent."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import audit
from audit.errors import AuditError, DataError, MachineError, UsageError
from audit.extensions.endpoint import client
from audit.extensions.endpoint.embeddings import TEXTS_AT_ONCE, TRIED, opened
from audit.extensions.endpoint.prices import Prices
from audit.extensions.endpoint.settings import EndpointSettings
from audit.models import load
from audit.types import Accounted, TextEncoder, model_type
from tests.support.command import command
from tests.support.endpoint import Fault, Stub, error

KEY = "canary-0123-of-no-known-form"
PRICES = '[models."tiny"]\ninput = 1000.0\noutput = 0.0\n'


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(client, "LONGEST_WAIT_S", 0.05)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def vector(text):
    """A vector that depends on the text alone; the words of care share a direction with the names and pronouns of women."""
    care = ("nurse", "childminder", "cleaner", "carer", "home", "family", "wedding", "kitchen", "she ", "Mary", "Susan", "Linda")
    row = np.random.default_rng(int.from_bytes(text.encode()[:8].ljust(8), "big") + len(text)).normal(size=6)
    row[0] += 6.0 * any(word in text for word in care)
    return row.tolist()


class Embedder(Stub):
    """A server that embeds; `change` may change what it returns for a request, by its number."""

    def __init__(self, change=lambda count, reply: reply, fault=lambda count: None):
        super().__init__(answer=None)
        self.change, self.wrong, self.embedded, self.paths = change, fault, Counter(), set()

    def respond(self, body, headers):
        self.requests += 1
        self.bodies.append(body)
        if made := self.wrong(self.requests):
            return made
        self.embedded.update(body["input"])
        data = [{"object": "embedding", "index": i, "embedding": vector(text)} for i, text in enumerate(body["input"])]
        reply = {"data": data[::-1], "model": "tiny-1", "usage": {"prompt_tokens": 4 * len(data), "total_tokens": 4 * len(data)}}
        return Fault(body=json.dumps(self.change(self.requests, reply)).encode())


def settings(url, path, **more):
    return EndpointSettings(url, **{"patience_s": 0.6, "log": path / "answers.log", **more})


def embed(url, path, texts, **more):
    """Embed texts; return the rows, and the account."""
    with opened("tiny", settings(url, path, **more), path) as encoder:
        return encoder.encode_texts(texts), encoder.account()


@pytest.mark.slow
def test_vectors_are_those_of_the_server_in_the_order_of_the_texts(tmp_path):
    texts = [f"text {number}" for number in range(2 * TEXTS_AT_ONCE + 1)]
    with Embedder() as stub, opened("tiny", settings(stub.url, tmp_path), tmp_path) as encoder:
        assert isinstance(encoder, TextEncoder)
        assert isinstance(encoder, Accounted)
        assert model_type(encoder) == "text encoder"
        np.testing.assert_allclose(encoder.encode_texts(texts), [vector(text) for text in texts], rtol=1e-6)
        assert encoder.record.dimensions == 6
        assert [len(body["input"]) for body in stub.bodies] == [1, TEXTS_AT_ONCE, TEXTS_AT_ONCE, 1]
        account = encoder.account()
    assert (account.answers, account.images, account.mode) == (65, 0, "embeddings")
    assert account.sent == 4 * 66, "the text that tells the dimensions was paid for as well"
    assert [version.model for version in account.versions] == ["tiny-1"]


def test_a_text_is_sent_once_ever_and_a_replay_sends_nothing(tmp_path):
    with Embedder() as stub:
        first, account = embed(stub.url, tmp_path, ["a", "b", "a"])
        again, counted = embed(stub.url, tmp_path, ["b", "a"])
        replayed, _ = embed(stub.url, tmp_path, ["a", "b", "a"], replay=True)
        assert stub.embedded == {TRIED: 1, "a": 1, "b": 1}
        with pytest.raises(DataError, match="the answer log lacks at least 1 of the answers"):
            embed(stub.url, tmp_path, ["c"], replay=True)
    np.testing.assert_array_equal(first, replayed)
    np.testing.assert_array_equal(first[:2], again[::-1])
    assert (account.answers, counted.answers) == (2, 2)
    assert account.sent == counted.sent == 4 * 3


def test_a_busy_server_is_asked_again_and_a_limit_ends_the_run_with_what_came_in_the_log(tmp_path):
    texts = [f"text {number}" for number in range(3 * TEXTS_AT_ONCE)]
    with Embedder(fault=lambda count: error(503, "busy") if count in (2, 3) else None) as stub:
        with pytest.raises(MachineError, match="--max-requests is reached"):
            embed(stub.url, tmp_path, texts, max_requests=5)
        stub.wrong = lambda count: None
        rows, account = embed(stub.url, tmp_path, texts)
        assert max(stub.embedded.values()) == 1
    assert (len(rows), account.answers) == (96, 96)


def test_cost_is_that_of_the_tokens_and_stops_before_the_most(tmp_path):
    prices = Prices("USD", input=1000.0, output=0.0)
    with Embedder() as stub:
        _, account = embed(stub.url, tmp_path, ["a", "b"], prices=prices)
        assert account.cost == pytest.approx(4 * 3 * 1000 / 1e6)
        with pytest.raises(MachineError, match="--max-cost is reached"):
            embed(stub.url, tmp_path, ["c" * 4000], prices=prices, max_cost=0.5)


def _edit(field, value):
    def change(count, reply):
        reply["data"][0][field] = value
        return reply

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_edit("embedding", [1.0, float("nan")]), "not finite"),
        (_edit("embedding", [0.0, 0.0]), "only zeros"),
        (_edit("embedding", 3.0), "shape"),
        (_edit("embedding", []), "shape"),
        (_edit("index", 7), "vectors came for"),
        (lambda count, reply: {**reply, "data": reply["data"] + reply["data"]}, "vectors came for"),
    ],
)
def test_vectors_that_are_none_are_refused(tmp_path, change, says):
    with Embedder(change) as stub, pytest.raises(DataError, match="does not embed these texts") as caught:
        embed(stub.url, tmp_path, ["a", "b"])
    assert says in str(caught.value)


@pytest.mark.parametrize("reply", [{"choices": []}, {"data": "x"}, {"data": [{"index": 0}]}, [], "text"])
def test_a_reply_without_embeddings_is_tried_again_and_then_named(tmp_path, reply):
    with Embedder(lambda count, _: reply) as stub, pytest.raises(MachineError, match="not embeddings"):
        embed(stub.url, tmp_path, ["a"])
    assert stub.requests > 1


def test_vectors_of_another_length_are_refused(tmp_path):
    def shorter(count, reply):
        reply["data"] = [{**entry, "embedding": entry["embedding"][: 6 if count == 1 else 5]} for entry in reply["data"]]
        return reply

    with Embedder(shorter) as stub, pytest.raises(DataError, match="different lengths"):
        embed(stub.url, tmp_path, ["a"])


@pytest.mark.parametrize(("status", "kind"), [(401, MachineError), (404, AuditError), (422, DataError)])
def test_a_server_that_rejects_a_request_is_named(tmp_path, status, kind):
    with Embedder(fault=lambda count: error(status, "model not found" if status == 404 else "no")) as stub, pytest.raises(kind):
        embed(stub.url, tmp_path, ["a"])


@pytest.mark.extension("text_association")
def test_an_audit_of_texts_through_the_endpoint_shows_what_was_sent(tmp_path):
    (tmp_path / "prices.toml").write_text(PRICES)
    with Embedder() as stub:
        done = audit.audit(
            model="text:api:tiny", probe="text_only", base_url=stub.url, answer_log=tmp_path / "a.log", prices=tmp_path / "prices.toml",
            out=tmp_path / "out", draws=999,
        )  # fmt: skip
        assert all("image" not in json.dumps(body) for body in stub.bodies)
    (result,) = done.results.audits
    assert result.account.mode == "embeddings"
    assert result.account.answers == len(result.texts)
    assert result.account.versions[0].answers == len(result.texts)
    assert result.account.cost > 0
    found = {association.targets[0]: association.effect_size for association in result.analyses["text_associations"]}
    assert found["she"] < -1, "the server puts 'she' near to care"
    page = (tmp_path / "out/report.html").read_text()
    assert f"{len(result.texts):,} texts of the probe were sent to 127.0.0.1" in page
    assert KEY not in page + (tmp_path / "a.log").read_text() + Path(tmp_path / "out/results.json").read_text()


def test_the_plan_counts_texts_and_sends_nothing_and_other_probes_say_what_they_cannot_ask(tmp_path, fairface_dir):
    with Embedder() as stub:
        named = ["--model", "text:api:tiny", "--base-url", stub.url, "--answer-log", tmp_path / "a.log", "--check"]
        plan = command(*named, "--probe", "text_only")
        assert plan.returncode == 0, plan.stderr
        assert "no image" in " ".join(plan.stdout.split())
        refused = command(*named, "--probe", "fairface", "--data", fairface_dir)
        assert refused.returncode == 2
        assert "the probe 'fairface' asks nothing of an encoder of text alone" in refused.stderr
        with pytest.raises(UsageError, match="not loaded, but asked"):
            load("text:api:tiny")
        assert stub.requests == 0
