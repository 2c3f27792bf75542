"""``vlm-audit probes`` and ``vlm-audit new-probe``: what can be asked, what it needs, and a beginning of one's own that runs."""

import subprocess
import sys

import pytest

import probes
from audit.cli.screen import Screen
from audit.commands.catalogue import main, new_main
from audit.probe.presence import presence
from audit.types import ProbeData
from reports.exports.terminal.catalogue import catalogue_lines, probe_lines
from tests.support.command import command


def test_every_probe_is_listed_with_question_licence_gate_and_where_its_data_are(capsys):
    assert main([]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for name in probes.names():
        probe = probes.get(name)
        assert f"{name} {' '.join(probe.question.split())} {' '.join(probe.licence.split())}" in printed
    assert "the data are available" in printed  # of emoji: its packages are installed


def test_show_says_what_is_asked_and_what_data_must_look_like(capsys):
    assert main(["show", "fairface"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "harm-21: Whose faces are given crime-related or non-human words? (21 labels) By" in printed
    assert "fairface_label_val.csv (file, age, gender, race, service_test) beside the folder val/" in printed
    assert "vlm-audit run --model ckpt.pt --probe fairface" in printed
    assert "not tested" in printed


def test_no_line_is_longer_than_the_screen():
    for columns in (40, 80):
        screen = Screen(columns=columns)
        every = [probes.get(name) for name in probes.names()]
        texts = [
            catalogue_lines({"A group whose title is longer than a screen": every}, screen),
            *(probe_lines(probe, screen) for probe in every),
        ]
        ours = [line for text in texts for line in text.splitlines() if not line.startswith("vlm-audit ")]
        assert max(map(len, ours)) <= columns


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["show"], "show and the name of a probe belong together"),
        (["list", "emoji"], "show and the name of a probe belong together"),
        (["show", "fairfase"], "did you mean fairface"),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_one(words, what, capsys):
    assert main(words) == 2
    assert what in capsys.readouterr().err


def test_presence_is_told_without_reading_data(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    hub = ProbeData("x", (), "the hub", hub="ORG/NAME")
    assert presence(hub) == "hub"
    (tmp_path / "datasets--ORG--NAME").mkdir()
    assert presence(hub) == "here"
    assert presence(ProbeData("x", (), "pip", packages=("no_such_package",))) == "missing packages"


def test_listing_imports_neither_torch_nor_pandas():
    code = (
        "import sys; from audit.commands.catalogue import main; main([]); main(['show', 'emoji']); "
        "print(sorted({'torch', 'pandas', 'fairlearn'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


@pytest.mark.extension("ranking")
def test_a_new_probe_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    """The colour model sees no shape: the run is complete, and the page and the ranking are there."""
    monkeypatch.chdir(tmp_path)
    assert new_main(["my_shapes"]) == 0
    assert "vlm-audit run --model ckpt.pt --probe my_shapes.py" in capsys.readouterr().out
    (tmp_path / "colours.py").write_text(
        "from audit.testing import FakeEncoder\n\n\nclass Colours(FakeEncoder):\n    def __init__(self, device='cpu', dtype='float32'):\n"
        "        super().__init__({'circle': [1.0, 0.2, 0.0], '': [0.0, 0.2, 1.0]})\n        del self.record\n"
    )
    ran = command("--model", "colours.py:Colours", "--probe", "my_shapes.py", "--out", "out")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "out" / "tables" / "ranking.csv").is_file()
    assert command("--check", "--model", "colours.py:Colours", "--probe", "my_shapes.py").returncode == 0


@pytest.mark.parametrize("name", ["emoji", "Mine", "my-probe", "../mine", ""])
def test_a_name_that_cannot_be_one_is_refused(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert new_main([name]) == 2
    assert f"a new probe cannot be called {name!r}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_file_of_yours_is_never_replaced(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("mine")
    assert new_main(["mine"]) == 2
    assert "'mine.py' exists" in capsys.readouterr().err
    assert (tmp_path / "mine.py").read_text() == "mine"
