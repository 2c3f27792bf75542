"""Whatever a terminal cannot show, or names hold that would change it: the files are written, and the words are legible."""

import csv
import os
import subprocess
import sys

import pytest

from tests.support import forked
from tests.support.command import command

MODULES = ("audit", "audit.run", "audit.compare", "reports.render", "reports.figures", *(
    f"contrastive.{name}" for name in ("train", "release", "export", "unshard", "foreign")
))  # fmt: skip
HOSTILE = "\x1b]0;owned\x07\x1b[31m\u202e\u2066"
RAW = set("\x1b\x07\u202e\u2066\u200f")


def table(folder, columns=("skin", "sex"), levels=("light", "dark"), name="answers.csv"):
    rows = [(f"i{row}", levels[row % 2], ("woman", "man")[row // 2 % 2], "cat", ("cat", "dog")[row % 5 == 0]) for row in range(200)]
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", *columns, "y_true", "y_pred"), *rows])
    return folder / name


def process(folder, *words, module="audit.run", stdout=subprocess.PIPE, stderr=subprocess.PIPE, **environment):
    run = [sys.executable, "-m", module, *map(str, words)]
    return forked.run(run, cwd=folder, env={**os.environ, **environment}, stdout=stdout, stderr=stderr, timeout=120, check=False)


def status(folder):
    return (folder / "out" / "STATUS").read_text().splitlines()[0]


@pytest.mark.extension("watch")
@pytest.mark.parametrize("module", MODULES)
def test_every_command_helps_in_ascii(tmp_path, module):
    done = process(tmp_path, "--help", module=module, PYTHONIOENCODING="ascii:strict")
    assert (done.returncode, done.stderr.decode(), done.stdout.isascii()) == (0, "", True)


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii:strict"},
        {"PYTHONIOENCODING": "cp1252:strict"},
        pytest.param({"LC_ALL": "C"}, marks=pytest.mark.slow),  # an interpreter of its own; `test_terminal` asks what is shown there
    ],
)
def test_a_name_that_cannot_be_printed_changes_nothing(tmp_path, environment):
    table(tmp_path, levels=("明るい", "≤ 暗い"))
    done = process(tmp_path, "--predictions", "answers.csv", "--out", "out", **environment)
    assert (done.returncode, status(tmp_path)) == (0, "complete"), done.stderr
    assert b"\\u660e" in done.stdout or "明".encode() in done.stdout
    done = process(tmp_path, "--predictions", "無い.csv", **environment)
    assert (done.returncode, b"Traceback" in done.stderr) == (3, False)
    assert b"\nerror[E3] no file '" in done.stderr


def test_other_commands_say_such_names_too(tmp_path):
    for module, words, code in (
        ("audit.compare", ["無い", "無い2"], 2), ("reports.render", ["無い"], 3), ("contrastive.release", ["無い.pt", "out.pt"], 3),
        ("contrastive.train", ["無い.toml"], 2), ("audit", ["無い"], 2),
    ):  # fmt: skip
        done = process(tmp_path, *words, module=module, PYTHONIOENCODING="ascii:strict")
        assert (done.returncode, b"\\u7121\\u3044" in done.stderr, b"Traceback" in done.stderr) == (code, True, False), done.stderr


@pytest.mark.slow
def test_what_would_change_a_terminal_is_made_visible(tmp_path):
    table(tmp_path, (f"skin{HOSTILE}", "sex"), (f"light{HOSTILE}", "dark\u200f"))
    done = command("--predictions", "answers.csv", "--out", "out", "-v", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "out" / "run.log").read_text("utf-8")
    for text in (done.stdout, done.stderr, log, status(tmp_path)):
        assert not RAW & set(text)
    assert r"\x1b]0;owned\x07\x1b[31m\u202e" in done.stdout
    assert r"\x1b]0;owned\x07\x1b[31m\u202e" in log

    for words in (
        ["--predictions", f"{HOSTILE}.csv"], ["--model", f"{HOSTILE}.pt", "--probe", "emoji"], ["--model", "x", "--probe", HOSTILE],
        [f"--{HOSTILE}"], ["--predictions", "answers.csv", "--attributes", HOSTILE], ["--device", HOSTILE, "--model", "x"],
        ["--predictions", "answers.csv", "--fail-on", HOSTILE],
    ):  # fmt: skip
        done = command(*words, cwd=tmp_path)
        assert done.returncode in (2, 3, 5), done.stderr
        assert not RAW & set(done.stdout + done.stderr), words


@pytest.mark.slow
def test_an_endless_message_is_cut(tmp_path):
    with (tmp_path / "wide.csv").open("w") as file:
        file.write(",".join(f"column_{place:06d}_{'x' * 90}" for place in range(40_000)) + "\n")
    done = command("--predictions", "wide.csv", cwd=tmp_path)
    assert (done.returncode, len(done.stderr) < 3000) == (3, True)
    done = command("--model", "x", "--probe", "a" * 4_000_000, cwd=tmp_path)
    assert (done.returncode, len(done.stderr) < 3000, "at most 4,095 characters" in done.stderr) == (2, True, True)


@pytest.mark.slow
def test_a_stderr_that_takes_nothing_ends_no_audit(tmp_path):
    table(tmp_path)
    reader, closed = os.pipe()
    os.close(reader)
    full = os.open("/dev/full", os.O_WRONLY)
    words = ("--predictions", "answers.csv", "--out", "out")
    for stdout, stderr, code in ((subprocess.PIPE, full, 0), (subprocess.PIPE, closed, 0), (closed, closed, 141), (full, full, 0)):
        done = process(tmp_path, *words, stdout=stdout, stderr=stderr)
        assert (done.returncode, status(tmp_path)) == (code, "complete")
        (tmp_path / "out" / "STATUS").write_text("of the last one\n")
    os.close(closed)
    os.close(full)


def test_a_users_code_that_logs_shows_no_line_twice(tmp_path, faces, short):
    (tmp_path / "mine.py").write_text(
        "import logging\nimport numpy as np\nlogging.basicConfig(level='INFO')\nlogging.info('mine')\n"
        "class Mine:\n    def encode_images(self, images): return np.ones((len(images), 4))\n"
        "    def encode_texts(self, texts): return np.ones((len(texts), 4))\n"
    )
    words = ("--model", "mine.py:Mine", "--probe", short, "--data", faces, "--out", "out")
    done = process(tmp_path, *words)
    said = done.stderr.decode()
    assert done.returncode == 0, said
    assert said.count("model Mine  probe") == 1
    assert said.count("mine\n") == 1
    assert (tmp_path / "out" / "run.log").read_text().count("model Mine  probe") == 1
