"""Folders and files of the user's own that are called like packages of the program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from audit.extension import find
from tests.support.command import process
from tests.support.house import ROOT

SCRIPT = Path(sys.executable).parent / "vlm-audit"
INSTALLED = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.slow_except("audit.run-probes/__init__.py", "audit-reports.py")
@pytest.mark.parametrize("name", ["reports/__init__.py", "probes/__init__.py", "probes.py", "reports.py"])
@pytest.mark.parametrize("module", ["audit.run", "audit"])
def test_a_namesake_is_named(tmp_path, name, module):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("raise RuntimeError('not to be imported')\n")
    words = ["--list-probes"] if module == "audit.run" else ["probes"]
    done = process(*words, module=module, cwd=tmp_path, env=INSTALLED)
    package = name.removesuffix("/__init__.py")
    assert (done.returncode, done.stderr.splitlines()) == (2, [
        f"error[E2] {package!r} hides a package of vlm-audit that is called {package.removesuffix('.py')!r} too",
        "why: python -m imports what lies in the working directory first",
        "fix: vlm-audit in place of python -m, or another folder",
    ])  # fmt: skip


def test_a_folder_without_code_and_the_installed_command_are_no_matter(tmp_path):
    for name in ("reports", "audit", "probes"):
        (tmp_path / name).mkdir()
    assert process("--list-probes", cwd=tmp_path, env=INSTALLED).returncode == 0
    if not SCRIPT.is_file():
        pytest.skip("vlm-audit is not installed")
    for name in ("reports", "audit", "probes"):
        (tmp_path / name / "__init__.py").touch()
    done = subprocess.run([SCRIPT, "run", "--list-probes"], cwd=tmp_path, env=INSTALLED, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines(), "fairface" in done.stdout) == (0, [*find().left_out], True)
