"""``vlm-audit``: hands the words on to the commands, imports nothing heavy before it has to, and says what there is."""

import subprocess
import sys

import pytest

from audit.__main__ import all_commands, main
from audit.cli.exit_codes import ended
from audit.version import __version__
from tests.support import comparison_samples as samples

HEAVY = ("torch", "transformers", "datasets", "fairlearn", "pandas", "scipy", "matplotlib", "jinja2", "tqdm")


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"], ["compare", "--help"], ["run", "--version"], ["probes"]])
def test_cheap_words_import_nothing_heavy(words):
    code = f"""
import sys
from audit.__main__ import main
try:
    assert main({words!r}) == 0
except SystemExit as stop:
    assert stop.code == 0
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_it_says_what_there_is_and_an_unknown_command_gets_its_nearest(capsys):
    assert main([]) == 2
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert [name for name in all_commands() if printed.count(f"  {name} ") == 2] == list(all_commands())
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"vlm-audit {__version__}\n"
    assert main(["runn"]) == 2
    assert "did you mean run?" in capsys.readouterr().err


def test_a_pattern_that_the_shell_filled_in_is_named_as_what_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("a.parquet", "b.parquet", "c.parquet"):
        (tmp_path / name).touch()
    with pytest.raises(SystemExit):
        main(["run", "--predictions", "a.parquet", "b.parquet", "c.parquet"])
    assert "in quotation marks: 'folder/*.parquet'" in capsys.readouterr().err


def test_a_path_without_a_flag_gets_the_flag_that_takes_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("t/a.csv", "m.pt", "p.py", "A/results.json", "B/results.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for words, fix in (
        (["run", "t/a.csv"], "did you mean --predictions t/a.csv"),
        (["run", "--probe", "fairface", "m.pt"], "did you mean --model m.pt"),
        (["run", "p.py", "--model", "m.pt"], "did you mean --probe p.py"),
        (["run", "t"], "did you mean --data t"),
        (["index", "A", "B"], f"vlm-audit index takes one folder: name the one that holds them all, such as {tmp_path}"),
    ):
        with pytest.raises(SystemExit):
            main(words)
        assert capsys.readouterr().err.splitlines()[-1] == f"fix: {fix}", words


def test_every_command_is_reached(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, wrong in (("skewed", 60), ("plain", 6)):
        samples.audit(tmp_path / name, {"b": wrong})
    assert main(["compare", "skewed", "plain", "--out", "out"]) == 0
    assert main(["render", "out"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "out/comparison.html"
    assert main(["probes"]) == 0
    assert {"emoji", "fairface", "occupations"} <= set(capsys.readouterr().out.splitlines())
    assert main(["run", "--model", "x.pt"]) == 2
    assert "--probe is missing\nfix: vlm-audit run --model" in capsys.readouterr().err
    assert main(["run", "--model", "x.pt", "--data", "pets"]) == 2
    assert "--probe is missing\nfix: for images with your own labels: --probe zeroshot" in capsys.readouterr().err


def test_python_m_audit_is_the_same():
    done = subprocess.run([sys.executable, "-m", "audit", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"vlm-audit {__version__}\n"


def test_what_is_no_exception_is_a_defect_and_no_breach(capsys):
    class Panic(BaseException):
        """As a library written in Rust raises it."""

    def work():
        raise Panic("range end index 15 out of range")

    assert ended(work) == 70
    assert "internal error: Panic: range end index 15" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        ended(lambda: sys.exit(2))
