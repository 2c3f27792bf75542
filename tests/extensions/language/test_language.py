"""Is a language understood? A model that reads it passes, others do not, and without it no difference is reported."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from audit import audit, load
from audit.errors import UsageError
from audit.extensions.language.computation import NEEDED, closer_to_own, right_share
from audit.types import Dataset
from probes.prompts.languages import codes
from tests.audit.models.huggingface.test_clip import made
from tests.support.command import command
from tests.support.languages import Polyglot, drawn
from tests.support.writers import Stereotyper

OTHERS = codes()[1:]


def faces(n=160):
    """Half of the images are bright and show women."""
    images, women = [], [i % 2 == 0 for i in range(n)]
    for i, woman in enumerate(women):
        pixels = np.random.default_rng(i).integers(0, 60, (8, 8, 3)) + (180 if woman else 20)
        Image.fromarray(pixels.astype(np.uint8)).save(file := io.BytesIO(), "png")
        images.append(file.getvalue())
    index = pd.Index([f"{i}.png" for i in range(n)])
    attributes = pd.DataFrame(
        {
            "gender": np.where(women, "Female", "Male"), "race": [("White", "Black")[i // 2 % 2] for i in range(n)],
            "age": [("20-29", "30-39")[i // 4 % 2] for i in range(n)],
        }, index=index, dtype="str",
    )  # fmt: skip
    levels = {"gender": ("Male", "Female"), "race": ("White", "Black"), "age": ("20-29", "30-39")}
    return Dataset("faces", images, attributes, levels, "0" * 64, "made", "ours")


def texts_alone(model, code, **more):
    return audit(model, "text_only", language=code, no_cache=True, draws=999, **more).results.audits[0]


def of_faces(model, code, **more):
    return audit(model, "occupations", data=faces(), language=code, no_cache=True, draws=99, **more).results.audits[0]


@pytest.mark.parametrize("code", OTHERS)
def test_a_model_passes_in_the_languages_that_it_reads_and_in_no_other(code):
    result = texts_alone(Polyglot(), code)
    (check,) = result.analyses["language_checks"]
    assert check.understood == (code in ("de", "zh"))
    right = sum(contrast.right for contrast in check.texts)
    assert len(check.texts) == 20
    assert right == 20 if check.understood else right < 20 * NEEDED
    assert len(result.analyses["text_associations"]) == (3 if check.understood else 0)
    assert len(check.withheld) == (0 if check.understood else 3)


def test_a_planted_stereotype_is_found_in_a_language_that_is_read_and_withheld_in_one_that_is_not():
    found = texts_alone(Polyglot(care=3.0), "de")
    by_question = {association.targets[0]: association for association in found.analyses["text_associations"]}
    for targets in ("women's names", "she"):
        assert by_question[targets].verdict == "signal"
        assert by_question[targets].effect_size < -1.5
    assert texts_alone(Polyglot(("de", "fr"), care=3.0), "es").analyses["text_associations"] == ()


@pytest.mark.slow
def test_models_of_english_alone_are_never_said_to_understand():
    """Twenty of them in seven languages: by chance one in 170 passes."""
    understood = 0
    for seed in range(20):
        moved = np.linalg.qr(np.random.default_rng(seed).normal(size=(48, 48)))[0] * np.random.default_rng(seed).uniform(0.2, 2, 48)
        model = Polyglot(())
        model.encode_texts = lambda texts, moved=moved, seed=seed: np.stack([drawn(f"{seed} {text}") for text in texts]) @ moved
        understood += sum(texts_alone(model, code).analyses["language_checks"][0].understood for code in OTHERS[seed % 7 : seed % 7 + 1])
    assert understood <= 1


@pytest.mark.slow
def test_a_clip_of_random_weights_understands_no_language(tmp_path):
    path = made(tmp_path / "clip", text={"max_position_embeddings": 77})
    for code in OTHERS:
        result = texts_alone(str(path), code)
        assert not result.analyses["language_checks"][0].understood, code
        assert result.analyses["text_associations"] == ()


@pytest.mark.slow
def test_images_must_agree_and_an_understood_language_has_the_questions_of_the_probe():
    result = of_faces(Polyglot(), "de")
    (check,) = result.analyses["language_checks"]
    assert check.understood
    gender, person = check.images
    assert (gender.attribute, gender.images, gender.right) == ("gender", 160, 1.0)
    assert gender.low > 0.95
    assert person.passed
    assert {finding.measurement for finding in result.findings} == {"occupation"}
    (measurement,) = result.measurements
    assert measurement.prompts["doctor"] == ("Auf diesem Foto ist ein Arzt zu sehen.", "Auf diesem Foto ist eine Ärztin zu sehen.")
    assert result.analyses["rankings"]
    assert result.analyses["associations"]


def test_a_language_that_is_not_understood_has_no_findings_and_no_gate_holds(tmp_path):
    done = audit(
        Polyglot(), "occupations", data=faces(), language="ar", no_cache=True, draws=99, out=tmp_path / "out",
        fail_on="gap[occupation.care by gender] > 0.5",
    )  # fmt: skip
    (result,) = done.results.audits
    assert not result.analyses["language_checks"][0].understood
    assert (result.findings, result.measurements, result.analyses["rankings"], result.analyses["associations"], result.paired) == (
        (),
        (),
        (),
        (),
        (),
    )
    assert result.verdict == "inconclusive"
    assert [gate.outcome for gate in done.results.gates] == ["not estimable"]
    page = (tmp_path / "out/report.html").read_text()
    assert "Arabic: not understood. No difference is reported." in page
    assert "No question was planned" not in page
    assert "Which of 28 occupations does a face fit best" in page
    assert 'lang="ar"' in page
    assert load(tmp_path / "out").results.audits[0] == result


def test_a_model_that_reads_the_words_but_not_the_images_in_them_does_not_pass():
    class Blind(Polyglot):
        def face(self, pixels):
            return drawn(f"face {pixels.sum()}")

    (check,) = of_faces(Blind(), "de").analyses["language_checks"]
    assert not check.understood
    assert all(contrast.right for contrast in check.texts)
    assert [contrast.passed for contrast in check.images] == [False, False]


def test_no_inference_never_asks_for_the_gender():
    (check,) = of_faces(Polyglot(), "de", no_inference=True).analyses["language_checks"]
    assert [contrast.name for contrast in check.images] == ["a person / a dog"]


def test_english_is_the_probe_as_it_is():
    done = [audit(Polyglot(), "text_only", no_cache=True, draws=99, **more).results.audits[0] for more in ({}, {"language": "en"})]
    assert done[0] == done[1]
    assert done[0].analyses["language_checks"] == ()


@pytest.mark.parametrize(
    ("model", "more", "says"),
    [
        (Polyglot(), {"probe": "emoji", "language": "de"}, "the probe 'emoji' has no words in another language"),
        (Polyglot(), {"probe": "text_only", "language": "xx"}, "expected one of en, ar, de"),
        (Stereotyper(), {"probe": "occupations", "language": "de"}, "not asked in another language"),
    ],
)
def test_what_has_no_words_in_a_language_says_so(model, more, says, fairface_dir):
    data = {"data": fairface_dir} if more["probe"] == "occupations" else {}
    with pytest.raises(UsageError, match=says):
        audit(model, **more, **data, no_cache=True)


def test_the_command_says_it_on_the_terminal_and_in_the_tables(tmp_path):
    (tmp_path / "mine.py").write_text("from tests.support.languages import Polyglot\n\nclass Mine(Polyglot):\n    pass\n")
    words = ("--model", tmp_path / "mine.py:Mine", "--probe", "text_only", "--language", "fr", "--no-cache", "--out", tmp_path / "out")
    done = command(*words)
    assert done.returncode == 0, done.stderr
    assert "French: not understood." in " ".join(done.stdout.split())
    rows = Path(tmp_path / "out/tables/language.csv").read_text().splitlines()
    assert len(rows) == 21
    refused = command("--predictions", tmp_path / "a.csv", "--language", "fr")
    assert (refused.returncode, "--language cannot be used with --predictions" in refused.stderr) == (2, True)


def test_both_words_together_decide_a_pair():
    """own = (.8, .6) and (.6, .8): the first is closer to the first axis, by .2 each."""
    own, english = np.array([[0.8, 0.6], [0.6, 0.8]]), np.eye(2)
    assert closer_to_own(own, english)
    assert not closer_to_own(own[::-1], english)


def test_a_share_is_the_mean_of_both_groups():
    """Of 30 women all are called women, of 90 men none: 1 and 1, not .25; and one answer for all is one half."""
    groups = [np.arange(30), np.arange(30, 120)]
    assert right_share(np.arange(120) < 30, groups)[0] == 1.0
    assert right_share(np.ones(120, bool), groups)[0] == 0.5
    assert right_share(np.ones(120, bool), groups)[1] < 0.5
