"""The README tells the truth: every probe, metric, flag and file that it should name is there, and its commands exist."""

import re
import tomllib

import pytest
from PIL import Image

import audit
import probes
from audit.run import main, parser
from contrastive.config import read_config
from tests.support.house import PACKAGES, ROOT

README = (ROOT / "README.md").read_text("utf-8")


def test_the_readme_names_probes_that_exist_and_the_command_that_lists_all():
    named = re.findall(r"^\| `(\w+)` \| .*\?", README, re.MULTILINE)
    assert set(named) <= set(probes.names())
    assert named
    assert "vlm-audit probes" in README


@pytest.mark.parametrize("flag", sorted(flag for flag in parser()._option_string_actions if flag.startswith("--") and flag != "--help"))
def test_every_flag_is_in_the_readme(flag):
    assert f"`{flag}`" in README


def test_the_two_commands_exist_and_what_make_demo_does_is_the_readmes():
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test"):
        assert re.search(rf"^make {target}\b", README, re.MULTILINE)
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    recipe = makefile.split("demo:")[1].split("\n\n")[0]
    for command in re.findall(r"\$\(BIN\)/(python -m .*)", recipe):
        assert command in README


@pytest.mark.parametrize("folder", sorted(path.parent.name for package in PACKAGES for path in (ROOT / package).glob("*/__init__.py")))
def test_the_map_names_every_folder(folder):
    assert f"{folder}/" in README.split("## Map")[1], f"{folder}/ is not in the README's map"


def test_the_probe_of_the_readme_asks_the_model_of_the_readme(tmp_path, monkeypatch):
    """60 pictures, half of them in either hand, all cups; a model that knows only colours answers "cup" to each: 30 of 30, twice."""
    for name in ("cups.py", "colours.py"):
        (tmp_path / name).write_text(re.search(rf"```python\n(# {name}\n.*?)```", README, re.DOTALL)[1])
    rows = ["image,thing,hand", *(f"{i}.png,cup,{('left', 'right')[i % 2]}" for i in range(60))]
    (tmp_path / "cups.csv").write_text("\n".join(rows))
    for i in range(60):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / "cache"))

    assert main(["--model", "colours.py:Colours", "--probe", "cups.py", "--data", "cups.csv", "--out", "out"]) == 0
    finding = audit.load("out").findings[0]
    assert finding.id == "thing/accuracy/hand"
    assert [(rate.group, rate.events, rate.n) for rate in finding.by_group] == [(("left",), 30, 30), (("right",), 30, 30)]


def test_the_smallest_configuration_of_the_readme_is_one(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text(re.search(r"```toml\n(.*?)```", README, re.DOTALL)[1])

    assert read_config(str(path)).data.train == "pairs.csv"


def test_what_is_imported_at_run_time_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=\[]", name)[0].replace("-", "_").lower() for name in project["dependencies"]}

    assert {"torch", "transformers", "datasets", "fairlearn", "pandas", "matplotlib", "jinja2", "regex", "pydantic"} <= declared


def test_no_file_names_a_machine():
    # A path under a home or a workplace, in any file that is tracked or would be.
    pattern = re.compile(r"(^|[^A-Za-z0-9_.])/(root|work|home/[a-z]+)/[a-z]")
    for path in (path for folder in (*PACKAGES, "benchmarks") for path in (ROOT / folder).rglob("*.*")):
        if path.suffix in (".py", ".toml", ".html", ".css"):
            assert not pattern.search(path.read_text("utf-8").replace("/home/me/", "")), path
