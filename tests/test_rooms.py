"""Every extension can be deleted: the rest is imported, finds the same, and says in a line what is gone."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from audit.extension import find
from tests.support.capture import unchanging
from tests.support.rooms import EXTENSIONS, ROOT, without

ANSWERS = ROOT / "docs" / "examples" / "answers.csv"
AUDITS = {
    "answers": ["run", "--predictions", str(ANSWERS), "--attributes", "region,light"],
    "other limits": ["run", "--predictions", str(ANSWERS), "--attributes", "region,light", "--fail-on", "gap > 0.5", "--alpha", "0.1"],
    "compared": ["compare", "answers", "other limits"],
}
EVERYTHING = """
import importlib, pkgutil, sys
for package in ("audit", "probes", "reports", "strictio"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not module.name.endswith(("__main__", "inspect_hook")):
            importlib.import_module(module.name)
assert not [name for name in sys.modules if name.startswith("audit.extensions.NAME")]
"""


def left_out(name):
    return f"the extension '{name}' is left out: ModuleNotFoundError: No module named 'audit.extensions.{name}'"


def ran(folder: Path, *words):
    return subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False)


def audited(folder: Path, packages: Path):
    """Audit with the packages of a folder; return what is written and printed, without what differs between equal runs."""
    written = {}
    for name, words in AUDITS.items():
        sources = [str(folder / word) if word in AUDITS else word for word in words]
        done = ran(packages, "-m", "audit", *sources, "--out", str(folder / name), "--seed", "1")
        assert done.returncode == 0, done.stderr
        written |= {f"{name}: {stream}": text for stream, text in (("stdout", done.stdout), ("stderr", done.stderr))}
        for file in sorted(path for path in (folder / name).rglob("*") if path.suffix in (".html", ".json", ".md", ".csv")):
            written[f"{name}: {file.relative_to(folder)}"] = file.read_text("utf-8")
    return {name: unchanging(unchanging(text, folder), packages) for name, text in written.items() if "manifest" not in name}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return audited(tmp_path_factory.mktemp("whole"), ROOT)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXTENSIONS)
def test_without_an_extension_the_rest_is_as_before_and_a_line_says_what_is_gone(name, whole, tmp_path):
    packages = without([name], tmp_path / "packages")
    assert ran(packages, "-c", EVERYTHING.replace("NAME", name)).returncode == 0
    (tmp_path / "out").mkdir()
    [extension] = (one for one in find().extensions if one.name == name)
    keys = "|".join(one.field for one in (*extension.analyses, *extension.accounts))
    nothing = rf'\n   "(?:{keys})": (?:\[\]|null)'
    empty = re.compile(rf"{nothing},|,{nothing}(?=\n)")  # in the middle of the keys, or the last
    assert audited(tmp_path / "out", packages) == {place: empty.sub("", text) if keys else text for place, text in whole.items()}
    if any(analysis.methods for analysis in extension.analyses):
        done = ran(packages, "-m", "audit", "run", "--model", "absent.pt", "--probe", "emoji", "--what-if", "all")
        assert done.returncode == 2
        assert "no extension that is installed tries what-ifs" in done.stderr
        assert left_out(name) in done.stderr
    for command in extension.commands:
        done = ran(packages, "-m", "audit", command.name)
        assert done.returncode == 2
        assert f"unknown command '{command.name}'" in done.stderr
        assert left_out(name) in done.stderr
    for reader in extension.readers:
        file = tmp_path / f"answers{reader.endings[0]}"
        file.touch()
        done = ran(packages, "-m", "audit", "run", "--predictions", str(file))
        assert done.returncode == 3
        for said in ("is not a table", left_out(name), "fix: install again what is left out; otherwise give a .csv"):
            assert said in done.stderr
    if flags := [f"--{option.name.replace('_', '-')}" for option in extension.options]:
        assert left_out(name) in ran(packages, "-m", "audit", "run", "--predictions", str(ANSWERS), flags[0], "x").stderr
        assert not {*flags} & {*ran(packages, "-m", "audit", "run", "--help-all").stdout.split()}
    for probe in extension.probes:
        done = ran(packages, "-m", "audit", "run", "--model", "absent.pt", "--probe", probe.name)
        assert (done.returncode, f"no probe {probe.name!r}" in done.stderr) == (2, True), done.stderr
        assert left_out(name) in done.stderr
        assert probe.name not in ran(packages, "-m", "audit", "run", "--list-probes").stdout.split()
    for scheme in (kind.scheme for kind in extension.models if kind.scheme):
        done = ran(packages, "-m", "audit", "run", "--model", f"{scheme}:x", "--probe", "text_only", "--out", str(tmp_path / "none"))
        said = " ".join(done.stderr.split())
        assert (done.returncode, f"unknown scheme {scheme}:" in said) == (2, True), said
        assert left_out(name) in said
