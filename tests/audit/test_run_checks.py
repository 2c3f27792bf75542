"""Whatever is wrong is said before the first image; with --check nothing else happens."""

import re

import pytest
from PIL import Image

from tests.support.command import command
from tests.support.tiny import write_checkpoint, write_failing_model, write_open_probe

ONES = """import numpy as np
class Ones:
    def encode_images(self, images):
        print("images:", len(images))
        return np.ones((len(images), 4))
    def encode_texts(self, texts): return np.ones((len(texts), 4))
"""


@pytest.fixture
def place(tmp_path, checkpoint):
    (tmp_path / "ones.py").write_text(ONES)
    (tmp_path / "bad.pt").write_bytes(checkpoint.read_bytes()[:5000])
    return tmp_path


def seen(done):
    """Return how many images the model was shown, besides the two that it is tried on."""
    return sum(int(n) for n in re.findall(r"images: (\d+)", done.stdout) if n != "2")


@pytest.mark.extension("whatif")
@pytest.mark.parametrize("more", [[], ["--check"]])
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--model", "absent.pt"], 3, "absent.pt"),
        (["--model", "bad.pt"], 3, "bad.pt"),
        (["--model", "ones.py:Twos"], 2, "Twos"),
        (["--by", "rase"], 2, "no attribute 'rase' to slice by"),
        (["--cluster", "famly"], 2, "no attribute 'famly' to tell clusters by"),
        (["--weights", "wheight"], 2, "wheight"),
        (["--fail-on", "gap[gender.acuracy by race] > 0.1"], 2, "gender.accuracy by race"),
        (["--fail-on", "rate[gender.accuracy by race for Blak] < 0.1"], 2, "no group 'Blak'"),
        (["--what-if", "projektion"], 2, "projektion"),
        (["--exclude", "absent.txt"], 3, "absent.txt"),
        (["--out", "ones.py"], 2, "'ones.py' is a file"),
        (["--fail-on", "gap > 0.1", "--junit", "absent/gates.xml"], 2, "absent"),
        (["--data", "absent.csv"], 3, "absent.csv"),
    ],
    ids=lambda value: "_".join(value)[:40] if isinstance(value, list) else "",
)
def test_everything_is_checked_before_the_first_image(place, faces, short, words, code, said, more):
    given = ["--model", "ones.py:Ones", "--probe", short, "--out", "out", *([] if "--data" in words else ["--data", faces]), *words, *more]
    done = command(*given, cwd=place)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert seen(done) <= (16 if more else 0)  # a plan times a few
    assert ("embedding" in done.stderr, (place / "out").exists()) == (False, False)


def test_a_comparison_looks_at_every_model_first(place, faces, short):
    done = command("ones.py:Ones", "absent.pt", "--probe", short, "--data", faces, "--out", "out", module="audit.compare", cwd=place)
    assert (done.returncode, "absent.pt" in done.stderr, seen(done), (place / "out").exists()) == (3, True, 0, False)


@pytest.mark.slow
def test_a_plan_says_what_would_be_done_and_writes_nothing(place, faces, short, checkpoint, monkeypatch):
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(place / "cache"))
    write_checkpoint(place / "ckpt.pt")
    before = sorted(place.rglob("*"))
    words = ["--model", "ckpt.pt", "--probe", short, "--data", faces, "--fail-on", "gap > 0.2", "--junit", "gates.xml", "--out", "out"]
    done = command(*words, "--check", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(place.rglob("*")) == before
    n = len(list(faces.rglob("*.jpg")))
    for said in (
        r"^model   .*ckpt\.pt · vlm-audit checkpoint 1 · [\d,]+ parameters$", rf"^probe   short · .* · {n} images · \d+ planned",
        r"^        0 images in the cache for ", r"^        race: White \d+, Black \d+", r"^gate    gap > 0\.2$",
        rf"^time    about \d+ s to embed {n} images; then the statistics$", r"^writes  out$", r"^        gates\.xml$",
    ):  # fmt: skip
        assert re.search(said, done.stdout, re.MULTILINE), (said, done.stdout)

    assert command(*words, cwd=place).returncode in (0, 1)
    done = command(*words, "--check", cwd=place)
    assert f"{n} images in the cache for " in done.stdout
    assert "time    no image has to be embedded\n" in done.stdout
    assert "writes  out (the audit in it is replaced)\n" in done.stdout


def test_a_plan_of_external_predictions_says_how_many_answers_there_are(tmp_path):
    (tmp_path / "answers.csv").write_text("id,skin,y_true,y_pred\n" + "".join(f"{row},{'ab'[row % 2]},cat,cat\n" for row in range(80)))
    done = command("--predictions", "answers.csv", "--out", "out", "--check", cwd=tmp_path)
    assert (done.returncode, done.stderr, sorted(path.name for path in tmp_path.iterdir())) == (0, "", ["answers.csv"])
    assert (
        done.stdout == "data    answers.csv: 80 answers to 'predictions'\n        skin: a 40, b 40\ntime    no model is run\nwrites  out\n"
    )
    done = command("--predictions", "answers.csv", "--attributes", "skim", "--check", cwd=tmp_path)
    assert (done.returncode, "skim" in done.stderr) == (2, True)


@pytest.mark.slow
def test_models_are_looked_at_one_after_another(place, faces, short):
    """A model that counts how many of its kind are alive never sees another one."""
    (place / "lonely.py").write_text(
        ONES.replace("class Ones:", "ALIVE = []\nclass Lonely:\n    def __init__(self, name='x'):\n        import weakref\n"
                     "        assert not [each for each in ALIVE if each()], 'two at a time'\n        ALIVE.append(weakref.ref(self))\n")
    )  # fmt: skip
    words = ["--model", "lonely.py:Lonely", "--model-args", "name=a", "--model", "lonely.py:Lonely", "--model-args", "name=b"]
    for more in ([], ["--check"]):
        done = command(*words, "--probe", short, "--data", faces, "--out", "out", *more, cwd=place)
        assert done.returncode == 0, done.stderr


def test_a_model_that_fails_while_it_embeds_is_named(place, faces, short):
    write_failing_model(place / "mine.py")
    done = command("--model", "mine.py:Failing", "--probe", short, "--data", faces, "--out", "out", cwd=place)
    assert (done.returncode, "mine.py, line 6" in done.stderr) == (3, True)


def test_a_plan_counts_files_that_cannot_be_read(place):
    write_open_probe(place / "cups.py")
    for name in ("a", "b", "c"):
        Image.new("RGB", (16, 16)).save(place / f"{name}.png")
    (place / "empty.png").touch()
    rows = [f"{name}.png,{group}" for name, group in zip(("a", "b", "c", "empty", "gone"), "LRLRR", strict=True)]
    (place / "cups.csv").write_text("\n".join(["image,race", *rows, ""]))
    done = command("--model", "ones.py:Ones", "--probe", "cups.py", "--data", "cups.csv", "--check", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "2 of 5 files looked at cannot be read: 1 empty file, 1 missing file\n" in done.stdout
    assert "images are only decoded in the run" in done.stdout
