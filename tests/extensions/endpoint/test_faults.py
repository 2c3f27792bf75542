"""Everything that a server may do wrong: exit code 3 or 5, its words cut and cleaned, the key nowhere, and every answer kept."""

import socket
import subprocess
import threading

import pytest

from audit.errors import AuditError, DataError, MachineError, UsageError
from audit.extensions.endpoint import client
from audit.extensions.endpoint.answer_log import AnswerLog
from audit.extensions.endpoint.model import EndpointModel, opened
from audit.extensions.endpoint.prices import Prices
from audit.extensions.endpoint.settings import EndpointSettings
from audit.types import Question
from tests.support.endpoint import Fault, Stub, error
from tests.support.model_folders import noise

KEY = "sk-proj-canary0123456789abcdef"
ASKED = Question("Who?\n- woman\n- man\n- unclear", ("woman", "man", "unclear"), outcomes=("refusal", "unparsed"))
FACES = noise(*[(12, 12)] * 30)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(client, "LONGEST_WAIT_S", 0.05)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def settings(url, **more):
    return EndpointSettings(url, **{"mode": "text", "patience_s": 0.6, "in_flight": 4, **more})


def ask(stub, path, images=FACES, **more):
    """Ask one question about pictures, by a log of their own."""
    with opened("tiny", settings(stub.url, log=path, **more), path.parent) as model:
        return model.log_likelihoods(images, [ASKED])


def man(asked):
    return "man"


def later(fault, after=12):
    """Answer some requests, then fail for good."""
    return lambda count, asked: fault if count > after else None


BUSY = error(429, f"Rate limit reached for {KEY} \x1b[2J" + "x" * 500)
HTML = Fault(200, b"<!doctype html><html><head><title>Sign\nin</title></head><body>" + b"x" * 9000, {"Content-Type": "text/html"})
ROWS = {
    "wrong key": (error(401, f"Incorrect API key provided: {KEY}"), MachineError, "does not accept the key"),
    "no such model": (error(404, "The model `tiny` does not exist"), DataError, "does not know this model"),
    "no vision": (error(400, "This model does not support image input"), DataError, "does not take images"),
    "context too small": (error(400, "maximum context length is 512 tokens"), DataError, "too long for this model"),
    "other form": (error(422, "field required: prompt"), DataError, "does not take the question"),
    "HTML": (HTML, MachineError, "a page of HTML: Sign in"),
    "malformed JSON": (Fault(body=b'{"choices": [{"mess'), MachineError, "not an answer"),
    "no choices": (Fault(body=b'{"id": 1}'), MachineError, "not an answer"),
    "half-closed": (Fault(body=b'{"choices": [{"message": {"content": "man"}}]}' * 50, half=True), MachineError, "no answer from"),
    "429 without end": (BUSY, MachineError, "status 429"),
    "500 without end": (error(500, "Internal error"), MachineError, "status 500"),
    "no money": (error(429, "You exceeded your current quota", code="insufficient_quota"), MachineError, "insufficient quota"),
    "another address": (Fault(307, b"", {"Location": "http://example.org/v1/chat/completions"}), MachineError, "another address"),
}


@pytest.mark.slow_except("no vision", "other form", "no money", "another address")
@pytest.mark.parametrize("name", ROWS)
def test_a_fault_from_the_start_and_one_in_mid_run_end_with_its_reason_and_keep_what_was_answered(name, tmp_path):
    fault, kind, says = ROWS[name]
    with Stub(man, fault=lambda count, asked: fault) as stub, pytest.raises(AuditError) as caught:
        ask(stub, tmp_path / "first.log")
    assert type(caught.value) is kind
    assert caught.value.exit_code in (3, 5)
    for found in (str(caught.value), "".join(map(str, (caught.value.__cause__, caught.value.__suppress_context__)))):
        assert KEY not in found
        assert "\x1b" not in found
        assert max(map(len, found.splitlines())) < 300
    assert says in str(caught.value)

    with Stub(man, fault=later(fault)) as stub:
        with pytest.raises(kind, match=says):
            ask(stub, tmp_path / "mid.log")
        paid = sum(stub.answered.values())
        assert paid >= 11
        stub.fault = lambda count, asked: None
        rows = ask(stub, tmp_path / "mid.log", patience_s=20.0)
        # 30 pictures and one trial; nothing that was answered is asked again.
        assert sum(stub.answered.values()) == 31
        assert set(stub.answered.values()) == {1}
    assert rows.argmax(axis=1).tolist() == [1] * 30
    assert KEY not in (tmp_path / "mid.log").read_text()


def test_a_schema_that_is_refused_is_said_where_it_was_asked_for_and_passed_over_where_not(tmp_path):
    with Stub(man) as stub:
        with pytest.raises(DataError, match="does not serve the mode 'schema'"):
            ask(stub, tmp_path / "a.log", mode="schema")
        with opened("tiny", settings(stub.url, mode="auto", log=tmp_path / "b.log"), tmp_path) as model:
            assert model.terms.mode == "text"
            assert [note.values["mode"] for note in model.terms.notes] == ["likelihood", "letter", "schema"]


def test_busy_servers_are_asked_again_when_they_say_and_no_answer_is_paid_twice(tmp_path):
    # Every other request is put off; the wait is read against the server's own clock, which is a day behind.
    dates = {"Date": "Thu, 01 Jan 2026 00:00:00 GMT", "Retry-After": "Thu, 01 Jan 2026 00:00:00 GMT"}
    fault = Fault(503, b"{}", dates)
    with Stub(man, fault=lambda count, asked: fault if count % 2 else None) as stub:
        rows = ask(stub, tmp_path / "a.log", patience_s=20.0)
        assert sum(stub.answered.values()) == 31
        assert set(stub.answered.values()) == {1}
    assert rows.argmax(axis=1).tolist() == [1] * 30


def test_a_slow_server_is_given_up_on_after_the_patience(tmp_path, monkeypatch):
    monkeypatch.setattr(client, "TIMEOUT_S", 0.1)
    with Stub(man, latency_s=1.0) as stub, pytest.raises(MachineError, match="no answer within"):
        ask(stub, tmp_path / "a.log", patience_s=0.2)


def test_a_server_that_is_not_there_is_said_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(client, "FIRST_PATIENCE_S", 0.2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        opened("tiny", EndpointSettings(f"http://127.0.0.1:{port}/v1", log=tmp_path / "a.log"), tmp_path) as model,
        pytest.raises(MachineError, match=r"no answer from 127\.0\.0\.1"),
    ):
        model.log_likelihoods(FACES, [ASKED])


@pytest.mark.slow
def test_refusals_of_the_server_are_outcomes(tmp_path):
    filtered = error(400, "The response was filtered", code="content_filter")
    with Stub(lambda asked: "I'm sorry, but I can't help with that.") as stub:
        assert ask(stub, tmp_path / "a.log").argmax(axis=1).tolist() == [3] * 30
        stub.fault = lambda count, asked: filtered
        assert ask(stub, tmp_path / "b.log").argmax(axis=1).tolist() == [3] * 30
        stub.fault, stub.answer = lambda count, asked: None, lambda asked: "not a man"
        assert ask(stub, tmp_path / "c.log").argmax(axis=1).tolist() == [4] * 30


def test_limits_stop_a_run_before_more_is_sent_and_the_next_goes_on(tmp_path):
    with Stub(man) as stub:
        with pytest.raises(MachineError, match="--max-requests is reached"):
            ask(stub, tmp_path / "a.log", max_requests=10)
        assert stub.requests == 10
        # 100 tokens cost 0.10 and 2 of an answer 0.02, and one is expected to cost 0.3 (it may be 19 tokens long): after 6 are 0.72 spent.
        prices = Prices("EUR", 1000.0, 10_000.0, image_tokens=90)
        with pytest.raises(MachineError, match=r"--max-cost is reached.*\nwhy: .* EUR were spent"):
            ask(stub, tmp_path / "a.log", max_cost=1.0, prices=prices)
        spent = stub.requests - 10
        assert spent == 6
        ask(stub, tmp_path / "a.log")
        assert set(stub.answered.values()) == {1}


def test_images_stay_here_until_somebody_confirms(tmp_path):
    far = EndpointSettings("https://vision.example.org/v1", log=tmp_path / "a.log")
    with pytest.raises(UsageError, match=r"would be sent to vision\.example\.org"), opened("tiny", far, tmp_path):
        pass
    assert not far.is_local
    assert EndpointSettings("http://[::1]:8000/v1").is_local
    assert not EndpointSettings("http://127.0.0.1.example.org/v1").is_local
    assert not EndpointSettings("http://192.168.0.3:8000/v1").is_local


def test_a_key_comes_from_the_environment_and_an_address_holds_none(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    far = EndpointSettings("https://vision.example.org/v1", log=tmp_path / "a.log", confirm_upload=True, key_variable="MINE")
    with pytest.raises(UsageError, match="no key for vision") as caught, opened("tiny", far, tmp_path):
        pass
    assert "export MINE" in str(caught.value)
    for url in ("https://me:secret@host/v1", "https://host/v1?key=secret", "https://host/v1#secret"):
        with pytest.raises(UsageError, match="more than an address") as caught:
            EndpointSettings(url)
        assert "secret" not in str(caught.value)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Stub(man) as stub:
        ask(stub, tmp_path / "b.log")
        assert {header["authorization"] for header in stub.headers} == {f"Bearer {KEY}"}
        seen = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=False).stdout
    assert KEY not in seen


def test_what_is_sent_holds_pixels_alone(tmp_path):
    from PIL import Image

    image = FACES[0].copy()
    image.info |= {"exif": b"Exif\x00\x00GPS canary", "icc_profile": b"canary", "comment": "canary"}
    with Stub(man) as stub:
        ask(stub, tmp_path / "a.log", [image])
        sent = stub.bodies[-1]["messages"][0]["content"][0]["image_url"]["url"]
    import base64
    import io

    content = base64.b64decode(sent.partition(",")[2])
    assert b"canary" not in content
    assert Image.open(io.BytesIO(content)).tobytes() == image.tobytes()


def test_two_runs_do_not_share_a_log(tmp_path):
    with AnswerLog(tmp_path / "a.log"), pytest.raises(MachineError, match="another run"), AnswerLog(tmp_path / "a.log"):
        pass


def test_a_batch_is_sent_before_the_last_one_is_answered_and_an_image_of_both_once(tmp_path):
    together = threading.Barrier(4)

    def man_of_four(asked):
        if "light" not in asked.text:  # the trial's own question
            together.wait(20)
        return "man"

    with Stub(man_of_four) as stub, opened("tiny", settings(stub.url, log=tmp_path / "a.log"), tmp_path) as model:
        begun = [model.begin(images, [ASKED]) for images in (FACES[:2], FACES[1:4])]
        assert [rows().argmax(axis=1).tolist() for rows in begun] == [[1, 1], [1, 1, 1]]
        assert sum(stub.answered.values()) == 1 + 4


def test_a_failure_in_a_batch_that_nobody_waits_for_yet_ends_the_run_with_its_reason(tmp_path):
    with Stub(man, fault=later(ROWS["wrong key"][0], after=3)) as stub:
        with opened("tiny", settings(stub.url, log=tmp_path / "a.log", in_flight=1), tmp_path) as model:
            begun = [model.begin(images, [ASKED]) for images in (FACES[:2], FACES[2:4])]
            assert begun[0]().shape == (2, 5)
            with pytest.raises(MachineError, match="does not accept the key"):
                begun[1]()
        assert sum(stub.answered.values()) == 3  # trial and two images


def test_an_interrupt_keeps_what_was_answered(tmp_path):
    with Stub(man, latency_s=0.05) as stub:
        model = EndpointModel("tiny", settings(stub.url, patience_s=20.0), AnswerLog(tmp_path / "a.log").__enter__())
        assert model.terms.mode == "text"

        def interrupt(count, asked):
            if count == 10:
                import _thread

                _thread.interrupt_main()

        stub.fault = interrupt
        with pytest.raises(KeyboardInterrupt):
            model.log_likelihoods(FACES, [ASKED])
        model.close()
        model._sender._log.__exit__(None, None, None)
        stub.fault = lambda count, asked: None
        ask(stub, tmp_path / "a.log")
        assert set(stub.answered.values()) == {1}
        assert threading.active_count() < 20
