"""A command whose stderr or stdout is closed (``2>&-``, ``>&-``) does its work and ends as with ``-q``."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.support import forked
from tests.support.comparison_samples import audit
from tests.support.made_once import made_once
from tests.support.tiny import write_checkpoint, write_faces, write_probe
from tests.support.training import TINY_CONV, run_text

CLOSED = "import os, sys\nos.close({number}); sys.{name} = None\nfrom audit.__main__ import main\nsys.exit(main(sys.argv[1:]))"
"""What Python makes of a standard stream that is closed when it starts."""
COMMANDS = {
    "run": (["run", "--predictions", "predictions.csv", "--out", "o"], "o/report.html", 0),
    "run with a gate": (["run", "--predictions", "predictions.csv", "--out", "o", "--fail-on", "gap > 0.01"], "o/report.html", 1),
    "run without data": (["run", "--predictions", "absent.csv", "--out", "o"], None, 3),
    "plan": (["plan", "--predictions", "predictions.csv"], "plan.lock.json", 0),
    "compare": (["compare", "a", "b", "--out", "o"], "o/comparison.html", 0),
    "render": (["render", "a"], "a/report.html", 0),
    "index": (["index", "."], "index.html", 0),
    "pictures": (["pictures", "a"], "a/figures", 0),
    "embed": (["embed", "--model", "ckpt.pt", "--probe", "short.py", "--data", "faces"], "cache", 0),
    "train": (["train", "run.toml"], "trained/ckpt.pt", 0),
    "export": (["export", "ckpt.pt", "exported", "--to", "safetensors"], "exported/model.safetensors", 0),
    "cache": (["cache"], None, 0),
    "probes": (["probes"], None, 0),
    "unknown": (["nothing"], None, 2),
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """What the commands are given."""

    def make(folder):
        rows = [f"{i},{'ab'[i % 2]},cat,{'dog' if i % 4 == 1 else 'cat'}" for i in range(400)]
        (folder / "predictions.csv").write_text("\n".join(["id,group,y_true,y_pred", *rows]) + "\n")
        for name, wrong in (("a", 60), ("b", 6)):
            audit(folder / name, {"b": wrong})
        write_checkpoint(folder / "ckpt.pt")
        (folder / "faces").mkdir()
        write_faces(folder / "faces")
        write_probe(folder / "short.py")
        config = run_text(TINY_CONV, data="batch = 24; held_out = 0", optim="steps = 2; lr = 1e-3")
        (folder / "run.toml").write_text(config.replace("OUT", "trained"))

    return made_once(tmp_path_factory, "closed-streams", make)


@pytest.fixture
def place(inputs, tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / "here" / "cache"))
    return shutil.copytree(inputs, tmp_path / "here")


@pytest.mark.slow_except("run-2-stderr", "train-1-stdout", "train-2-stderr", "unknown-1-stdout", "unknown-2-stderr")
@pytest.mark.parametrize(("number", "name"), [(1, "stdout"), (2, "stderr")])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_closed_stream_changes_nothing_but_what_is_printed(place, command, number, name):
    words, left, code = COMMANDS[command]
    before = (place / left).stat().st_mtime_ns if left and (place / left).exists() else 0
    done = forked.run([sys.executable, "-c", CLOSED.format(number=number, name=name), *words], capture_output=True, text=True, cwd=place)
    assert done.returncode == code, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert left is None or (place / left).stat().st_mtime_ns > before
    if left == "o/report.html":
        assert (place / "o" / "STATUS").read_text() == "complete\n"


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", *(pytest.param(each, marks=pytest.mark.slow) for each in ("2>&-", ">&-", ">&- 2>&-"))])
def test_a_shell_may_close_them(place, closed):
    line = f'"{sys.executable}" -m audit run --predictions predictions.csv --out o {closed}'
    done = subprocess.run(["sh", "-c", line], cwd=place, capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 0, done.stderr + done.stdout
    assert (place / "o" / "STATUS").read_text() == "complete\n"
    assert (place / "o" / "run.log").read_text().count("\n") > 0


def environment():
    return {**os.environ, "PYTHONPATH": str(forked.ROOT), "OMP_NUM_THREADS": "1"}
