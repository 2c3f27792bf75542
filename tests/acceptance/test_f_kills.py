"""Killed at any moment, run, compare, embed, train, export and mitigate leave the files of one run, and the next run ends well.

A few kills of each in every run of the tests, a hundred under ``-m slow``.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from tqdm import tqdm

from audit.__main__ import main
from audit.extensions.mitigate.record import FILE
from tests.support.comparison_samples import audit
from tests.support.made_once import made_once
from tests.support.tiny import write_checkpoint, write_faces, write_open_probe, write_probe, write_things
from tests.support.training import TINY_CONV, logged_events, run_text

COMMANDS = {
    "run": ["run", "--predictions", "predictions.csv", "--out", "o"],
    "compare": ["compare", "a", "b", "--out", "o"],
    "embed": ["embed", "--model", "ckpt.pt", "--probe", "short.py", "--data", "faces"],
    "train": ["train", "run.toml", "--quiet"],
    "export": ["export", "ckpt.pt", "exported", "--to", "safetensors"],
    "mitigate": ["mitigate", "--model", "ckpt.pt", "--probe", "things.py", "--data", "things", "--out", "changed", "--min-group-size=15"],
}
NOTES = {"o/notes.txt": "mine", "o/figures/1.svg": "drawn from it"}


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
        write_things(folder / "things")
        write_open_probe(folder / "things.py")
        config = run_text(TINY_CONV, data="batch = 24; held_out = 0", optim="steps = 6; lr = 1e-3", run="save_every = 1; log_every = 1")
        (folder / "run.toml").write_text(config.replace("OUT", "trained"))

    return made_once(tmp_path_factory, "kills", make)


@pytest.fixture
def place(inputs, tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / "here" / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = shutil.copytree(inputs, tmp_path / "here")
    monkeypatch.chdir(folder)
    return folder


def of_one_run(folder):
    """Check that every file of a list is the one that the list names, as any program finds it, and that notes are there."""
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in listed} == listed
    visible = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")}
    visible = {name for name in visible if not name.startswith(".")}
    assert visible - {"STATUS", "run.log", "manifest.json", "notes.txt", "figures/1.svg"} == set(listed)
    assert {name: (folder.parent / name).read_text() for name in NOTES} == NOTES


def check(place, command):
    """Check what a killed command has left."""
    if command in ("run", "compare"):
        of_one_run(place / "o")
    if command == "embed" and (place / "cache").exists():
        from audit.extensions.cache.housekeeping import verify_cache

        assert verify_cache(place / "cache").damaged == ()
    if command == "train" and (place / "trained" / "ckpt.pt").exists():
        from contrastive.checkpoint.file import load

        assert load(place / "trained" / "ckpt.pt").step > 0
    if command == "export" and (place / "exported").exists():
        assert {path.name for path in (place / "exported").iterdir()} >= {"model.safetensors", "config.json", "README.md"}
        shutil.rmtree(place / "exported")

    if command == "mitigate" and (place / "changed").exists():
        facts = FILE.from_json((place / "changed" / "mitigation.json").read_text("utf-8"))
        assert {path.name for path in (place / "changed").iterdir()} == {
            "README.md", "ckpt.pt", "mitigation.json", "mitigation.npy", "report.html",
        }  # fmt: skip
        assert facts.fold.written == hashlib.sha256((place / "changed" / "ckpt.pt").read_bytes()).hexdigest()
        shutil.rmtree(place / "changed")


def weights(path):
    from contrastive.checkpoint.file import load
    from contrastive.model.clip import portable_state

    return {name: tensor.numpy().tobytes() for name, tensor in portable_state(load(path).model).items()}


def killed_after(seconds, words):
    """Run a command in a fork of this process, which has its libraries, and kill it after a time; return whether it had ended well."""
    child = os.fork()
    if child == 0:
        tqdm.set_lock(threading.RLock())  # its own is one of all forks, and a killed one would never give it back
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        os._exit(main(words))
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.slow_except("export-3")
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("command", COMMANDS)
def test_f18_killed_at_any_moment_a_command_leaves_no_mixture_and_the_next_one_ends_well(place, command, kills):
    words = COMMANDS[command]
    assert main(words) == 0  # and its libraries are imported
    unbroken = weights(place / "trained" / "ckpt.pt") if command == "train" else None
    for name, text in NOTES.items() if command in ("run", "compare") else ():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(text)
    remove_new(place)
    begun = time.monotonic()
    assert main(words) == 0
    took = time.monotonic() - begun
    remove_new(place)
    moments, ended = random.Random(command), 0
    for _ in range(kills):
        complete = killed_after(moments.uniform(0, 2.5 * took), words)
        ended += complete
        check(place, command)
        if complete:
            remove_new(place)
    assert main(words) == 0
    sys.stdout.write(f"{command}: {kills} kills, {ended} of them after the end, {took:.1f} s unbroken\n")  # seen with -s
    check_end(place, command, unbroken)


def remove_new(place):
    """Let the next command begin at the beginning."""
    for left in ("trained", "exported", "changed", "cache"):
        shutil.rmtree(place / left, ignore_errors=True)


def check_end(place, command, unbroken):
    """Check what a command leaves that ended well after many that were killed."""
    check(place, command)
    left = [*place.glob(".*.new"), *place.glob(".exported*"), *place.glob(".changed*"), *(place / "o").glob(".*")]
    assert [path for path in left if path.suffix != ".tmp"] == []  # half a file is removed after an hour
    if command == "train":
        assert weights(place / "trained" / "ckpt.pt") == unbroken
        assert logged_events(place / "trained")[-1]["event"] == "end"
