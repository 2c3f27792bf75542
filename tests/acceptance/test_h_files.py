"""Row H11: every file that is read again is a regular one within a limit; a pipe, a device or 20 GB of nothing ends at once."""

import os
import signal

import pytest

from audit.__main__ import main as command
from contrastive.train import main as train

KINDS = ("pipe", "device", "sparse")
RESULTS = ("results.json", "comparison.json", "mitigation.json", "causes.json", "watch.json")


@pytest.fixture(autouse=True)
def _at_once(tmp_path, monkeypatch):
    """Whatever waits for a pipe, or reads without end, ends in an error of the test."""
    monkeypatch.chdir(tmp_path)
    before = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(AssertionError("it waits or reads without end")))
    signal.setitimer(signal.ITIMER_REAL, 60)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def hostile(kind, path):
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate(20 * 2**30)


@pytest.fixture(params=KINDS)
def folder(request, tmp_path):
    """The folder of a run whose results are hostile."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "STATUS").write_text("complete\n")
    hostile(request.param, tmp_path / "run" / "results.json")
    return tmp_path / "run"


@pytest.mark.parametrize(
    "words",
    [
        ["render", "run"], ["pack", "run", "--out", "a.zip"], ["convert", "run", "--to", "github"], ["verify", "run"],
        ["compare", "run", "run"],
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_h11_results_that_are_no_file_are_refused_by_name(folder, words, capsys):
    assert command(words) in (2, 3)
    said = "".join(capsys.readouterr())
    assert "results.json" in said or "manifest.json is missing" in said
    assert "fix:" in said or words[0] == "verify"


def test_h11_an_index_names_them(folder, tmp_path, capsys):
    code = command(["index", str(tmp_path), "--out", "index.html"])
    assert code == 3 or "results.json" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RESULTS[1:])
def test_h11_so_are_those_of_other_commands(kind, name, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    hostile(kind, tmp_path / "run" / name)
    assert command(["render", "run"]) in (2, 3)
    assert "fix:" in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
def test_h11_a_manifest_that_is_no_file_is_refused(kind, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "results.json").write_text("{}")
    hostile(kind, tmp_path / "run" / "manifest.json")
    assert command(["render", "run"]) == 3
    assert "manifest.json cannot be read" in capsys.readouterr().err
    assert command(["verify", "run"]) == 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "words",
    [
        ["causes", "x.toml", "--out", "o"],
        ["run", "--predictions", "x.csv", "--attributes", "g"], ["run", "--predictions", "x.parquet", "--attributes", "g"],
        ["run", "--model", "m.pt", "--probe", "zeroshot", "--data", "x.csv"],
        ["run", "--model", "m.pt", "--probe", "zeroshot", "--data", "x.tar"],
        ["run", "--model", "m.pt", "--probe", "zeroshot", "--data", "x.parquet"],
        ["run", "--model", "x.pt", "--probe", "emoji"],
        ["run", "--models", "x.txt", "--probe", "emoji"],
        ["run", "--model", "m.pt", "--probe", "emoji", "--exclude", "x.txt"],
        ["run", "--model", "m.pt", "--probe", "emoji", "--lock", "x.json"],
        ["run", "--model", "m.pt", "--probe", "emoji", "--attributes-from", "x.csv"],
        ["run", "--model", "m.pt", "--probe", "emoji", "--label-map", "x.toml"],
        ["run", "--model", "m.pt", "--probe", "x.py"],
        ["watch", "x.csv", "--attributes", "g", "--out", "o"],
    ],
    ids=lambda words: "-".join(words)[:40],
)  # fmt: skip
def test_h11_so_is_what_the_user_names(kind, words, tmp_path, capsys):
    name = next(word for word in words if word.startswith("x."))
    hostile(kind, tmp_path / name)
    (tmp_path / "m.pt").write_bytes(b"no model")
    assert command(words) in (2, 3, 4, 5)
    said = capsys.readouterr().err
    assert "internal error" not in said
    assert name in said
    assert "fix:" in said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("setting", ["run", "data.train=x.csv", "data.train=x.tar", "data.train=x*.tar", "data.train=x.parquet"])
def test_h11_so_is_what_a_training_names(kind, setting, tmp_path, capsys):
    name = "x.toml" if setting == "run" else setting.rpartition("=")[2].replace("*", "")
    hostile(kind, tmp_path / name)
    assert train([name] if setting == "run" else ["shapes", setting, "optim.warmup=0", "optim.steps=1", "run.out=out", "--quiet"]) in (
        2,
        3,
        4,
    )
    said = capsys.readouterr().err
    assert name in said or "x*.tar" in said


@pytest.mark.parametrize(
    ("name", "said"), [("file:///etc/passwd", "is not a tar shard"), ("file://{here}/x.tar", "there is nothing to read at")]
)
def test_h11_nor_does_a_training_fetch_anything_but_shards(name, said, tmp_path, capsys):
    hostile("pipe", tmp_path / "x.tar")
    assert train(["shapes", f"data.train={name.format(here=tmp_path)}", "optim.warmup=0", "run.out=out", "--quiet"]) in (2, 3)
    assert said in capsys.readouterr().err


def test_h11_a_watch_follows_no_link_out_of_its_folder(tmp_path, capsys):
    (tmp_path / "watched").mkdir()
    (tmp_path / "secret.csv").write_text("id,y_pred,y_true,g\npassword,a,a,b\n")
    (tmp_path / "watched" / "1.csv").symlink_to("../secret.csv")
    assert command(["watch", "watched", "--attributes", "g", "--out", "o"]) == 2
    said = capsys.readouterr().err
    assert "1.csv" in said
    assert "is a link out of the folder" in said
    assert "password" not in said
