"""Audits of a model behind an endpoint, from start to end: modes, outcomes by group, replay, versions, plan."""

import io
import json
import threading

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import audit
from audit.api.plan import plan_audit
from audit.api.plan_lock import Statement, plan_lock
from audit.engine.forecast import counted_questions
from audit.errors import UsageError
from audit.extensions.endpoint.account import equal_shares
from audit.extensions.endpoint.plan import ChatPlan
from audit.extensions.endpoint.reply import chosen, in_its_place
from audit.extensions.endpoint.settings import EndpointSettings
from audit.options.plans import PlanRequest
from audit.records.plan_lock import FILE
from audit.results import from_json, to_json
from audit.run import main
from audit.testing import gender_probe
from audit.types import REFUSAL, UNPARSED, Dataset, Question
from reports.render import render
from tests.probes.made import captions, vlbias
from tests.probes.made.pairs import make
from tests.support.endpoint import Stub
from tests.support.notes import sentences


def faces(n=96, seed=0):
    """Pictures of noise whose first pixel says who is shown: red of a man, green of a Black person."""
    rng = np.random.default_rng(seed)
    kinds = [("Black" if i % 2 else "White", "Male" if i // 2 % 2 else "Female") for i in range(n)]
    images = []
    for race, gender in kinds:
        pixels = rng.integers(0, 256, (9, 9, 3), np.uint8)
        pixels[0, 0] = (255 * (gender == "Male"), 255 * (race == "Black"), 0)
        images.append(encoded(Image.fromarray(pixels)))
    attributes = pd.DataFrame(kinds, columns=["race", "gender"], index=[f"{i}.png" for i in range(n)], dtype="str")
    return Dataset("faces", images, attributes, {"race": ("Black", "White"), "gender": ("Female", "Male")}, "4" * 64, "made", "none")


def encoded(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def seen(asked):
    """Return whether a man is shown, whether a Black person is, and a number of 100 that the noise gives."""
    pixels = np.asarray(asked.image.convert("RGB"))
    return pixels[0, 0, 0] > 128, pixels[0, 0, 1] > 128, int(pixels[1:].sum()) % 100


def right(asked):
    man, _, _ = seen(asked)
    return "man" if man else "woman"


def refuser(asked):
    """Refuses 60 % of the pictures of Black people and 20 % of the others; else it is right."""
    _, black, chance = seen(asked)
    return "I'm sorry, I cannot identify people." if chance < (60 if black else 20) else right(asked)


def run(stub, folder, answer=None, dataset=None, **more):
    given = {"base_url": stub.url, "answer_log": folder / "answers.log", "min_group_size": 5, "draws": 999, **more}
    return audit.audit("api:tiny", gender_probe(dataset or faces()), **given)


def rates(found, name):
    return {rate.group[0]: (rate.events, rate.n) for rate in found.finding(name).by_group}


@pytest.mark.slow_except("serves1-schema")
@pytest.mark.parametrize(
    ("serves", "mode"), [(set(), "text"), ({"schema"}, "schema"), ({"letter"}, "letter"), ({"likelihood"}, "likelihood")]
)
def test_each_mode_finds_the_same_answers_and_a_replay_is_byte_equal(serves, mode, tmp_path):
    def likelihood(asked):
        # Two tokens an option after the image: the right one has -0.5 each, the others -2.
        value = -0.5 if asked.said == right(asked) else -2.0 - seen(asked)[2] / 1000
        return [("<image>", -9.0), *((token, value) for token in (asked.said[:1], asked.said[1:]))]

    with Stub(lambda asked: right(asked) if asked.options else "A", frozenset(serves), likelihood=likelihood) as stub:
        found = run(stub, tmp_path, dataset=faces(12), repeats=2, no_inference=True)
        assert set(stub.answered.values()) <= {1, 2}  # each question twice, as it was asked for
    replayed = run(stub, tmp_path, dataset=faces(12), repeats=2, no_inference=True, replay=True)  # the server is gone

    assert found.results.audits[0].account.mode == mode
    assert rates(found, "gender/accuracy/race") == {"Black": (6, 6), "White": (6, 6)}
    planned = [finding.id for finding in found.findings if finding.primary]
    ways = ["unclear"] if mode == "likelihood" else ["unclear", "refusal", "unparsed"]
    assert planned == ["gender/accuracy/race", *(f"gender/selection_rate[{way}]/race" for way in ways)]
    manner = ChatPlan("tiny", EndpointSettings(stub.url, mode=mode, repeats=2)).manner
    assert counted_questions(gender_probe(faces(12)), 0, manner) == (len(planned), len(found.findings) - len(planned))
    kept = [finding.id for finding in found.findings if "same answer" in finding.id]
    assert kept == [f"gender: {what}/selection_rate[same answer]/race" for what in ("order", "instruction", "repeats")]
    assert json.loads(to_json(replayed.results))["audits"] == json.loads(to_json(found.results))["audits"]
    assert from_json(to_json(found.results)) == found.results
    page = render(found.results)
    assert "12 images were sent to 127.0.0.1" in page
    assert "(this machine)" in page


@pytest.mark.slow
def test_a_refuser_is_found_and_its_refusals_are_no_answers(tmp_path):
    with Stub(refuser) as stub:
        given = {"fail_on": "gap[gender.refusal by race] > 0.1"}
        found = run(stub, tmp_path, **given)
        asked = sum(stub.answered.values())
        again = run(stub, tmp_path, **given)  # the log has every answer
        assert sum(stub.answered.values()) == asked
    assert again.results.audits == found.results.audits
    assert found.exit_code == 1
    refused = rates(found, "gender/selection_rate[refusal]/race")
    assert refused["Black"][0] > 2 * refused["White"][0] > 0
    assert found.finding("gender/selection_rate[refusal]/race").verdict == "disparity"
    assert found.verdict == "disparity"
    told = sentences(found.results.audits[0].model.asked)
    assert any("Mode text" in each for each in told)


@pytest.mark.slow
def test_labels_that_the_server_does_not_list_have_an_upper_bound(tmp_path):
    with Stub(lambda asked: right(asked) if asked.options else "A", frozenset({"letter"})) as stub:
        stub._likely = lambda asked, text: [{"token": text, "logprob": np.log(0.75)}, {"token": "The", "logprob": np.log(0.05)}]
        found = run(stub, tmp_path, dataset=faces(40), no_inference=True)
    endpoint = found.results.audits[0].account
    assert endpoint.bounded == endpoint.label_scores * 2 / 3  # two of three options
    scores = found.predictions().filter(like="score:").to_numpy()
    # .75 against twice .05, the least likely of what is listed: .75 / .85 and .05 / .85.
    fixed = scores[found.predictions().measurement == "gender"]
    assert np.nanmax(fixed) == pytest.approx(0.75 / 0.85, abs=1e-6)
    assert sorted(set(np.round(fixed[np.isfinite(fixed)], 4))) == [0.0, 0.0588, 0.8824]


def test_a_change_in_mid_run_is_a_fact_with_both_parts_compared(tmp_path):
    with Stub(right, version=lambda answers: "fp_1" if answers < 60 else "fp_2") as stub:
        stub.answer = lambda asked: right(asked) if sum(stub.answered.values()) < 60 else "I cannot help."
        found = run(stub, tmp_path, dataset=faces(40), in_flight=1)
    endpoint = found.results.audits[0].account
    assert [version.fingerprint for version in endpoint.versions] == ["fp_1", "fp_2"]
    assert endpoint.versions[0].without_answer == {}
    assert endpoint.versions[1].without_answer == {"refusal": endpoint.versions[1].answers}
    (change,) = endpoint.changes
    assert change.measurement == "gender"
    assert change.p < 1e-6
    page = render(found.results)
    assert "The model changed." in page
    assert "fp_2" in page


@pytest.mark.parametrize("sides", [("api:tiny", "api:other"), ("before.pt", "api:tiny")])
def test_a_comparison_says_that_a_model_behind_an_endpoint_is_audited_first(sides):
    with pytest.raises(UsageError, match="'api:tiny' has to be audited first") as caught:
        audit.compare(*sides, probe="pairs")
    assert "vlm-audit run --model api:tiny --base-url URL" in str(caught.value)
    assert "vlm-audit compare BEFORE AFTER" in str(caught.value)


def test_equal_shares_are_those_of_a_chi_square_test():
    # 2 x 2 with Yates' correction, by hand: 40 (|10 x 10 - 30 x 30| - 40)^2 80 / (40 40 40 40) = 18.05.
    from scipy.stats import chi2

    assert equal_shares([{"a": 10, "b": 30}, {"a": 30, "b": 10}]) == pytest.approx(chi2.sf(18.05, 1))


@pytest.mark.slow
def test_repeats_that_disagree_have_a_rate_by_group(tmp_path):
    lock, times = threading.Lock(), {}

    def fickle(asked):
        """Of White people another answer each second time."""
        _, black, _ = seen(asked)
        with lock:
            key = (asked.image.tobytes(), asked.text)
            times[key] = times.get(key, 0) + 1
            return right(asked) if black or times[key] % 2 else "unclear"

    with Stub(fickle) as stub:
        found = run(stub, tmp_path, dataset=faces(24), repeats=2, no_inference=True)
    assert rates(found, "gender: repeats/selection_rate[same answer]/race") == {"Black": (12, 12), "White": (0, 12)}
    assert "All answers to the same question, word for word, are compared." in render(found.results)


def test_a_plan_says_what_would_be_sent_and_sends_nothing(tmp_path, capsys, scenes):
    (tmp_path / "prices.toml").write_text('currency = "EUR"\n[models.tiny]\ninput = 1.0\noutput = 4.0\nimage_tokens = 500\n')
    with Stub(right) as stub:
        words = ["--model", "api:tiny", "--probe", "pairs", "--data", str(scenes), "--prices", str(tmp_path / "prices.toml")]
        words += ["--answer-log", str(tmp_path / "a.log"), "--check", "--base-url"]
        assert main([*words, stub.url]) == 0
        here = capsys.readouterr().out
        assert main([*words, "https://vision.example.org/v1"]) == 0
        assert stub.requests == 0
    there = capsys.readouterr().out
    assert "this machine" in here
    assert "EUR" in here
    # As many as a run on these scenes has findings.
    assert "24 planned questions, 15 exploratory comparisons" in " ".join(here.split())
    assert "vision.example.org (not this machine: --confirm-upload is needed)" in " ".join(there.split())
    assert not (tmp_path / "a.log").exists()


@pytest.fixture
def scenes(tmp_path):
    make(tmp_path / "pairs")
    return tmp_path / "pairs"


@pytest.mark.slow_except("letter")
@pytest.mark.parametrize("serves", [set(), {"letter"}], ids=["text", "letter"])
def test_questions_that_rows_bring_are_asked_too(serves, tmp_path):
    (tmp_path / "data").mkdir()
    given = {"data": vlbias.make(tmp_path / "data")[1], "answer_log": tmp_path / "a.log", "draws": 99, "min_group_size": 2, "limit": 12}
    together, left = threading.Barrier(12), iter(range(12))

    def first(asked):
        if "light" not in asked.text and next(left, None) is not None:  # all but the trial's own question
            together.wait(20)  # rows are asked together, though each brings its own question
        return next(iter(asked.options), "A")

    with Stub(first, frozenset(serves)) as stub:
        found = audit.audit("api:tiny", "vlbias", base_url=stub.url, in_flight=12, **given)
        assert set(stub.answered.values()) == {1}
    planned = {finding.outcome for finding in found.findings if finding.primary}
    assert {"unclear", "refusal", "unparsed"} <= planned
    # Each row in two orders, of which the first option is another.
    assert found.results.audits[0].account.answers == 2 * found.results.audits[0].data.used


@pytest.mark.extension("word_rates")
def test_texts_are_written_and_replayed(tmp_path):
    (tmp_path / "data").mkdir()
    given = {"data": captions.make(tmp_path / "data")[1], "answer_log": tmp_path / "a.log", "draws": 99, "min_group_size": 2, "limit": 6}
    with Stub(lambda asked: "A nurse at work.") as stub:
        found = audit.audit("api:tiny", "captions", base_url=stub.url, **given)
    assert set(found.audited[0].texts["text:caption"]) == {"A nurse at work."}
    again = audit.audit("api:tiny", "captions", base_url=stub.url, replay=True, **given)
    assert again.results.audits == found.results.audits


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a thief", 1),
        ("The thief.", 1),
        ("<think>A mask, so\nperhaps a colleague.</think>\n\nthief", 1),
        ("<think>never closed thief", UNPARSED),
        ("I see <think>a mask</think> thief", UNPARSED),
        ("My guidelines let me say: somebody.", UNPARSED),
        ("thieves", UNPARSED),
        ("not a thief", UNPARSED),
        ("I must decline.", REFUSAL),
        ("It’s not appropriate to label people.", REFUSAL),
        ("<think>I cannot see a face.</think> Someone in a mask.", UNPARSED),
    ],
)
def test_what_a_text_says_is_read_by_the_rule(text, wanted):
    place = chosen(Question("Who?", ("colleague", "thief")), text)
    assert (in_its_place(text) if place is None else place) == wanted


def test_a_plan_sends_nothing_and_locks_the_questions_that_the_endpoint_is_asked(tmp_path):
    probe = gender_probe(faces(24))
    given = {"draws": 199, "min_group_size": 5, "answer_log": tmp_path / "answers.log"}
    with Stub(right) as stub:
        plan = plan_audit(PlanRequest(model="api:tiny", probe=probe, base_url=stub.url, **given).model_copy(update={"out": None}))
        (tmp_path / "plan.lock.json").write_text(FILE.to_json(plan_lock(plan, Statement())))
        assert not stub.answered
        found = audit.audit("api:tiny", probe, base_url=stub.url, lock=tmp_path / "plan.lock.json", name="ours", **given)
    assert (found.results.lock.deviations, found.results.audits[0].lock.deviations) == ((), ())
    assert len(found.results.audits[0].lock.planned) == 4
