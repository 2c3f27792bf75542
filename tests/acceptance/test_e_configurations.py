"""Rows E1 to E4: a stranger's configuration. It is TOML, not YAML, so each attack takes the form that TOML leaves it."""

import os
import time

import pytest

from tests.support.tiny import write_open_probe

RUN = """
[model]
preset = "tiny-conv"
[data]
train = "shapes"
[optim]
steps = 10
lr = 1e-3
[run]
out = "trained"
"""


@pytest.fixture
def configured(bench):
    """Return a function that trains what a text says, which must be refused in less than a second after torch-free imports."""

    def configured(text, *said, code=2):
        path = bench.folder / "run.toml"
        path.write_text(text)
        started = time.process_time()
        done = bench.run(path, "--quiet", module="contrastive.train", out=False, code=code, said=said)
        assert time.process_time() - started < 1
        assert not (bench.folder / "trained").exists()
        return done

    return configured


def test_e1_a_value_that_asks_for_an_object_is_not_text(configured):
    configured(RUN.replace('"trained"', '!!python/object/apply:os.system ["touch CANARY"]'), "not TOML", "line 10, column 7")
    configured(RUN.replace('"trained"', '{module = "os", call = "system"}'), "run.out must be text, not dict")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("[loss]\nkind = " + "[" * 20_000, "nested too deeply"),
        ("[loss]\nkind = " + "{a = " * 20_000, "nested too deeply"),
        ("[loss]\nkind = " + "[" * 400 + "]" * 400, "loss.kind must be a word, not list"),
        (".".join("a" * 16_000) + " = 1", "more than 200 dots"),
        ("[loss]\ntile = " + "9" * 5_000, "5000 digits"),
        ("# " + "x" * 300_000, "262,144 is the most that is read"),
    ],
    ids=["brackets", "tables", "a deep value", "a name of 16,000 parts", "a number of 5,000 digits", "a large file"],
)
def test_e1_depth_and_size_have_a_limit(configured, more, said):
    configured(RUN + more + "\n", said)


@pytest.mark.parametrize(
    ("old", "new"),
    [("steps = 10", "steps = 10\nsteps = 11"), ("[run]", "[optim]\n[run]"), ('train = "shapes"', 'train = "shapes"\ntrain.x = 1')],
)
def test_e1_a_name_given_twice_is_an_error_and_not_the_last_one(configured, old, new):
    configured(RUN.replace(old, new), "not TOML", "line ")


def test_e1_a_configuration_that_never_ends_is_not_waited_for(bench):
    os.mkfifo(bench.folder / "pipe.toml")
    for endless in ("pipe.toml", "/dev/zero"):
        bench.run(endless, module="contrastive.train", out=False, code=2, said=["not a regular file"])


@pytest.mark.parametrize("word", ["yes", "no", "on", "off", "~", "NULL"])
def test_e2_words_without_quotes_are_no_values(configured, word):
    configured(RUN.replace('"trained"', word), "not TOML")


@pytest.mark.parametrize(("value", "kind"), [("true", "bool"), ("12:30:00", "time"), ("2001-01-01", "date"), ("7", "int")])
def test_e2_what_is_not_text_is_not_made_text(configured, value, kind):
    configured(RUN.replace('"trained"', value), f"run.out must be text, not {kind}")


@pytest.mark.slow
def test_e2_strings_stay_the_strings_that_they_are(bench, table, results):
    """The labels and groups that YAML would change, through a whole audit: as a table and as a probe's labels, which have no other form."""
    words = ["yes", "no", "on", "off", "12:30:00", "2001-01-01", "007", "7", "~", "Null"]
    rows = [f"{i},{words[i % 10]},{words[i // 10 % 10]},{words[i // 10 % 10]}" for i in range(1000)]
    bench.run("--predictions", table("norway", "id,group,y_true,y_pred", rows), "--attributes", "group")
    (audit,) = results()["audits"]
    assert set(audit["measurements"][0]["labels"]) == set(words)
    accuracy = next(finding for finding in audit["findings"] if finding["id"] == "predictions/accuracy/group")
    assert {rate["group"][0]: (rate["events"], rate["n"]) for rate in accuracy["by_group"]} == dict.fromkeys(words, (100, 100))


def test_e3_a_template_holds_its_placeholder_and_no_other_brace(configured):
    for template in ("a photo of {0.__class__.__mro__} {{7*7}} {c}", "{caption} {0.__class__}", "{caption!r}", "a photo"):
        configured(RUN.replace('"shapes"', f'"shapes"\ntemplates = ["{template}"]'), "data.templates must be templates with {caption}")


def test_e3_a_probes_template_holds_label_alone(bench, inputs):
    for template in ("a photo of {0.__class__.__mro__} {label}", "{{7*7}} {label}", "{label} {c}", "{label.__class__}"):
        probe = write_open_probe(bench.folder / "mine.py")
        probe.write_text(probe.read_text() + f"from probes.prompts import fill\nfill({template!r}, 'a cup')\n")
        words = ("--model", inputs / "ckpt.pt", "--data", inputs / "faces")
        bench.run(*words, "--probe", probe, code=2, said=["must hold {label} exactly once and no other brace"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[optim]", "[optin]", "lacks the table [optim]"),
        ("steps", "stepz", "did you mean steps"),
        ("train =", "trian =", "did you mean train"),
    ],
)
def test_e4_a_misspelt_name_gets_the_nearest(bench, old, new, said):
    path = bench.folder / "run.toml"
    path.write_text(RUN.replace(old, new))
    bench.run(path, "--quiet", module="contrastive.train", out=False, code=2, said=[said])
