"""What a person sees in a terminal, from outside: in colour, without, dumb, narrow, without UTF-8; in a pipe, with -v and -q."""

import csv
import errno
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time

import numpy as np
import pytest

from audit.cli.progress import StageBars
from audit.cli.screen import Screen
from reports.exports.terminal.changes import comparison_lines
from tests.support import comparison_samples, forked
from tests.support.command import command
from tests.support.forked import Forked

WORDS = ("--predictions", "answers.csv", "--attributes", "skin,sex", "--out", "out")
LED = "Less accurate for dark (skin):"
ESCAPED = re.compile(r"\x1b\[[\d;]*[A-Za-z]")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A table of 800 answers: of light skin 95 % are right, of dark skin 70 %; women and men alike."""
    folder, source = tmp_path_factory.mktemp("place"), np.random.default_rng(0)
    rows = []
    for row in range(800):
        skin, sex, truth = ("light", "dark")[row % 2], ("woman", "man")[row // 2 % 2], ("cat", "dog", "bird")[row % 3]
        right = source.random() < (0.95 if skin == "light" else 0.7)
        rows.append((f"i{row}", skin, sex, truth, truth if right else "mouse"))
    with (folder / "answers.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "skin", "sex", "y_true", "y_pred"), *rows])
    return folder


def environment(**changes):
    """Return the environment with a terminal of its own; None takes a variable away."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "LANG", "LC_ALL", "LC_CTYPE", "COLUMNS")}
    wanted = {"TERM": "xterm-256color", "LANG": "C.UTF-8", **changes}
    return {**kept, **{name: value for name, value in wanted.items() if value is not None}}


def in_terminal(place, columns, *words, **changes):
    """Run the command in a pseudo-terminal, and return what it prints there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    run = [sys.executable, "-m", "audit.run", *WORDS, *words]
    with Forked(run, cwd=place, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(**changes)) as running:
        os.close(theirs)
        printed = b"".join(iter(lambda: _read(ours), b""))
        os.close(ours)
        assert running.wait() == 0, printed.decode()
    return printed.decode().replace("\r\n", "\n")


def _read(terminal):
    try:
        return os.read(terminal, 4096)
    except OSError as error:
        if error.errno != errno.EIO:  # what Linux says where the other side is closed
            raise
        return b""


def lines_left(printed):
    """Return the lines that stay: what a bar wrote over itself is gone."""
    return [line.rpartition("\r")[2] for line in ESCAPED.sub("", printed).split("\n")]


def test_a_terminal_gets_colours_bars_and_the_headline_once(place):
    printed = in_terminal(place, 100)
    lines = [line for line in lines_left(printed) if line.strip()]

    assert re.search(r"\r\[2/4\] testing \d+ questions", printed)
    assert "\r[4/4] writing the report" in printed
    assert not [line for line in lines if re.match(r"\[\d/4\]", line)]  # no bar stays
    assert "\x1b[31m▲\x1b[0m \x1b[31mDisparity · 4 of 8 planned questions\x1b[0m" in printed
    assert "\x1b[31m▲\x1b[0m Accuracy by skin" in printed
    assert sum(LED in line for line in lines) == 1
    assert LED in lines[lines.index("▲ Disparity · 4 of 8 planned questions") + 1]
    assert lines[-1] == "out/report.html"


def test_no_color_and_sixty_columns(place):
    printed = in_terminal(place, 60, NO_COLOR="1")

    assert not re.search(r"\x1b\[\d+m", printed)
    results = "\n".join(lines_left(printed)[1:])
    results = results[results.index("answers.csv · predictions · 800 images") :]
    assert max(map(len, results.splitlines())) <= 60
    assert re.search(r"▲ Accuracy by skin\s+\d+ \[\d+, \d+\]\s+dark 70\.0 %", results)


def test_a_dumb_terminal_gets_lines_without_any_escape_or_return(place):
    printed = in_terminal(place, 80, TERM="dumb")

    assert "\x1b" not in printed
    assert "\r" not in printed
    assert "\n[2/4] testing " in printed
    assert "▲ Disparity · 4 of 8" in printed


@pytest.mark.slow
def test_the_locale_c_gets_ascii(place):
    printed = in_terminal(place, 80, LANG="C")

    assert printed.isascii()
    assert "\x1b[31m!\x1b[0m \x1b[31mDisparity - 4 of 8 planned questions\x1b[0m" in printed
    assert "answers.csv - predictions - 800 images" in printed


def test_a_pipe_gets_plain_lines_and_results_alone_on_stdout(place):
    run = [sys.executable, "-m", "audit.run", *WORDS]
    done = forked.run(run, cwd=place, env=environment(), capture_output=True, text=True, encoding="utf-8", timeout=120, check=True)

    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stdout + done.stderr
    assert done.stdout.startswith("answers.csv · predictions · 800 images\n▲ Disparity · 4 of 8 planned questions\nLess accurate")
    assert done.stdout.endswith("\nout/report.html\n")
    assert max(map(len, done.stdout.splitlines())) <= 80
    stages = [line for line in done.stderr.splitlines() if line.startswith("[")]
    assert [line[:5] for line in stages] == ["[1/4]", "[2/4]", "[3/4]", "[4/4]"]
    assert "[2/4] testing " in (place / "out" / "run.log").read_text("utf-8")


@pytest.mark.slow
def test_quiet_prints_the_path_alone_and_verbose_a_table(place):
    done = command(*WORDS, "-q", cwd=place)
    assert (done.returncode, done.stdout, done.stderr) == (0, "out/report.html\n", "")

    done = command(*WORDS, "--verbose", cwd=place)
    assert re.search(r"\nAccuracy by skin +disparity\n  dark 70\.0 % \(400\), light 9\d\.\d % \(400\) +\d+ \[\d+, \d+\] +\d", done.stdout)

    done = command(*WORDS, "-q", "-v", cwd=place)
    assert (done.returncode, "not allowed with" in done.stderr) == (2, True)


@pytest.mark.slow
def test_a_comparison_is_quiet_too_and_fits_the_screen(tmp_path):
    for name, wrong in (("skewed", 60), ("plain", 6)):
        comparison_samples.audit(tmp_path / name, {"b": wrong})
    done = command("skewed", "plain", "--out", "out", "-q", module="audit.compare", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "out/comparison.html\n", "")

    for facts in (comparison_samples.skewed_and_plain(), comparison_samples.four_steps()):
        text = comparison_lines(facts, Screen(40, ascii=True))
        assert (text.isascii(), max(map(len, text.splitlines())) <= 40) == (True, True)


def test_an_encoding_without_icons_or_the_locale_c_gets_ascii_and_a_mistake_still_shows_when_quiet(place):
    class Latin:
        encoding = "latin-1"

        def isatty(self):
            return True

    class Unicode(Latin):
        encoding = "utf-8"

    assert not Screen.of(Unicode(), {"LANG": "C.UTF-8"}).ascii
    for given in ({"LANG": "C"}, {"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, {"LANG": "POSIX"}):
        assert Screen.of(Unicode(), given).ascii
    results = comparison_samples.four_steps()
    lines = comparison_lines(results, Screen.of(Unicode(), {"LANG": "C"}))
    assert lines.isascii()
    assert "\x1b[31m" in lines

    assert Screen.of(Latin(), {"LANG": "de_DE"}).ascii
    assert Screen.of(Latin(), {"LANG": "de_DE", "NO_COLOR": ""}).colours
    assert not Screen.of(Latin(), {"LANG": "de_DE", "NO_COLOR": "1"}).colours
    assert Screen(ascii=True).characters("‘é’ × 日") == "'\\xe9' x \\u65e5"
    done = command("--predictions", "nothing.csv", "-q", "--out", "other", cwd=place)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error[E3] no file 'nothing.csv'")


def test_a_stage_of_nothing_is_named_and_another_may_follow(capsys):
    bars = StageBars(["texts", "testing"])
    bars("texts", 0, 0)
    bars("testing", 0, 1)
    bars("testing", 1, 1)
    bars.close()

    assert capsys.readouterr().err == "[1/2] embedding 0 texts\n[2/2] testing 1 question\n"


def test_a_bar_says_how_much_time_is_left(monkeypatch):
    """A stage that ends within a tenth of a second is over before a bar is drawn again."""

    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    bars = StageBars(["testing"])
    bars("testing", 0, 30)
    time.sleep(0.2)
    bars("testing", 1, 30)
    bars.close()

    assert re.search(r"\r\[1/1\] testing 30 questions, (\d+ s|\d min) left", sys.stderr.getvalue())


@pytest.fixture(params=["closed", "full"])
def unwritable(request):
    """A pipe whose reader has gone, or a device without room, and the exit code that belongs to it."""
    if request.param == "full":
        stdout, code = os.open("/dev/full", os.O_WRONLY), 0
    else:
        reader, stdout = os.pipe()
        os.close(reader)
        code = 141
    yield stdout, code
    os.close(stdout)


def test_a_finished_audit_stays_complete_where_its_words_cannot_be_printed(place, unwritable):
    stdout, code = unwritable
    words = [sys.executable, "-m", "audit.run", *WORDS]
    done = forked.run(words, cwd=place, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == code
    assert (place / "out" / "STATUS").read_text() == "complete\n"
    assert "internal error" not in done.stderr
    assert ("cannot print the results" in done.stderr) == (code == 0)
