"""What is imported is declared, nothing is allowed that has a known hole, CI installs what is pinned, and no file names a machine."""

import re
import tomllib
from importlib.metadata import version

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from audit.version import __version__
from tests.support.house import PACKAGES, ROOT
from tests.support.moved import moved

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / ".ci" / "requirements.txt").read_text()
FLOORS = {
    "torch": "2.11", "transformers": "5.3", "datasets": "4", "pillow": "13", "fairlearn": "0.15", "jinja2": "3.1.6", "pydantic": "2",
    "safetensors": "0.5", "huggingface-hub": "1", "pyarrow": "17",
}  # fmt: skip
"""Below these lie known holes: loading scripts (datasets), code in weights (torch, transformers), decoders (pillow), a sandbox left by a
template (jinja2), files that run code (pyarrow); fairlearn dropped rows in silence."""


def name_of(requirement):
    return requirement.name.replace("_", "-").lower()


def pinned():
    """Return package -> the versions of the lock file, one for each Python that needs another."""
    found = {}
    for line in LOCK.splitlines():
        if "==" in line and not line.startswith(("#", " ")):
            requirement = Requirement(line.removesuffix(" \\"))
            (exact,) = requirement.specifier
            found.setdefault(name_of(requirement), []).append(exact.version)
    return found


@pytest.mark.parametrize("name", FLOORS)
def test_no_version_with_a_known_hole_is_allowed(name):
    (requirement,) = [each for each in map(Requirement, PROJECT["dependencies"]) if name_of(each) == name]
    (floor,) = [each for each in requirement.specifier if each.operator == ">="]
    assert Version(floor.version) >= Version(FLOORS[name])
    assert not [each for each in requirement.specifier if each.operator in ("==", "===", "~=")]
    assert not requirement.url


def test_python_is_new_enough_and_torch_is_a_range_of_no_build():
    assert PROJECT["requires-python"] == ">=3.11"
    (torch,) = [text for text in PROJECT["dependencies"] if text.startswith("torch")]
    assert "+" not in torch


def test_ci_installs_pinned_versions_with_hashes_within_the_declared_ranges():
    versions = pinned()
    extras = PROJECT["optional-dependencies"]
    of_dev = {"dev"}.union(*(Requirement(text).extras for text in extras["dev"] if text.startswith("vlm-audit")))
    assert set(extras) - of_dev == {"inspect"}  # fifty packages, and older versions of others: tested where it is installed
    declared = [*map(Requirement, PROJECT["dependencies"]), *(Requirement(text) for name in of_dev for text in extras[name])]
    for requirement in declared:
        name = name_of(requirement)
        if name not in ("vlm-audit", "torch"):
            assert name in versions, f"{name} is not pinned: make lock"
            assert all(version in requirement.specifier for version in versions[name]), name
    blocks = re.split(r"\n(?=\S)", LOCK.strip())
    assert all("--hash=sha256:" in block for block in blocks if not block.startswith("#"))
    assert not {"torch", "torchvision", "triton"} & set(versions)
    assert not re.search(r"https?://|--index|--find-links|\+cpu|\+cu\d|nvidia", LOCK)
    assert "LOCK=.ci/requirements.txt" in (ROOT / ".ci" / "run").read_text()


def hinted():
    """Return the packages that hints tell to install."""
    sources = [path.read_text("utf-8") for folder in PACKAGES for path in (ROOT / folder).rglob("*.py")]
    hints = {name for source in sources for name in re.findall(r"pip install '?(\w[\w-]*)", source)}
    return {name.replace("_", "-") for name in hints} - {"it"}


def test_a_hint_names_a_package_that_pip_finds():
    """This project is on no index, so a hint cannot name an extra of it."""
    extras = {name_of(Requirement(text)) for texts in PROJECT["optional-dependencies"].values() for text in texts}
    assert hinted() <= extras | {"torchvision", "nvidia-ml-py", "mlflow-skinny"}


@pytest.mark.extension("endpoint")
def test_hints_are_found():
    assert "openai" in hinted()


def test_the_citation_names_this_version():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == __version__


def test_the_workflow_tries_every_python_that_is_named():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "check.yml").read_text())["jobs"]
    pythons = re.search(r"Python ([\d., or]+);", (ROOT / "README.md").read_text())[1]
    assert all(job["strategy"]["matrix"]["python"] == re.findall(r"3\.\d+", pythons) for job in jobs.values())


def test_packages_that_moved_since_the_lock_are_listed():
    other = 'no-such-package==1\ncolorama==1 ; sys_platform == "win32"\n# torch==1\n'
    lock = f"numpy==0.1 \\\n    --hash=sha256:0\n{other}packaging=={version('packaging')}\n"
    assert moved(lock) == [f"numpy 0.1 -> {version('numpy')}", "no-such-package 1 -> not installed"]


def test_what_is_imported_at_run_time_is_declared():
    declared = {re.split(r"[<>=\[]", name)[0].replace("-", "_").lower() for name in PROJECT["dependencies"]}

    assert {"torch", "transformers", "datasets", "fairlearn", "pandas", "matplotlib", "jinja2", "regex", "pydantic"} <= declared


def test_no_file_names_a_machine():
    # A path under a home or a workplace, in any file that is tracked or would be.
    pattern = re.compile(r"(^|[^A-Za-z0-9_.])/(root|work|home/[a-z]+)/[a-z]")
    for path in (path for folder in (*PACKAGES, "benchmarks", "docs") for path in (ROOT / folder).rglob("*.*")):
        if path.suffix in (".py", ".toml", ".html", ".css", ".md"):
            assert not pattern.search(path.read_text("utf-8").replace("/home/me/", "")), path
