"""The package of docs/guides/extensions.md, written from the page's own blocks: found, run, drawn again and described."""

import json
import os
import subprocess
import sys
import tomllib

import pytest

from audit.extension import GROUP, find
from audit.results import to_json
from tests.support import report_samples
from tests.support.command import command
from tests.support.documented import FENCE
from tests.support.house import ROOT

FILES = ("pyproject.toml", "vlm_audit_fewest/__init__.py", "vlm_audit_fewest/command.py", "vlm_audit_fewest/page.html")


def write_package(folder):
    """Write each block of the page that begins with the name of a file; return how many lines of code that is."""
    blocks = [match[2] for match in FENCE.finditer((ROOT / "docs" / "guides" / "extensions.md").read_text("utf-8"))]
    written = {name: text for text in blocks for name in FILES if text.splitlines()[0] in (f"# {name}", f"{{# {name} #}}")}
    assert tuple(written) == FILES
    for name, text in written.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text, "utf-8")
    return sum(bool(line.strip()) for text in written.values() for line in text.splitlines()[1:])


@pytest.fixture
def finished(tmp_path):
    """The folder of an audit, and the rate of it that rests on the fewest images."""
    results = report_samples.everything()
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "results.json").write_text(to_json(results), "utf-8")
    findings = [finding for audit in results.audits for finding in audit.findings]
    n = min(rate.n for finding in findings for rate in finding.by_group if rate.status == "ok")
    return tmp_path / "audit", n


def check(run, audit, n, out):
    """Run every command of the page; `run` takes the arguments of ``vlm-audit``."""
    shown = run("--help")
    assert "  fewest    the compared rate that rests on the fewest images\n" in shown.stdout
    assert not shown.stderr
    done = run("fewest", audit, "--out", out)
    assert (done.returncode, done.stdout.strip()) == (0, str(out / "fewest.html")), done.stderr
    facts = json.loads((out / "fewest.json").read_text("utf-8"))
    assert facts["n"] == n
    page = (out / "fewest.html").read_text("utf-8")
    assert f"{facts['question']}: {n} images</h1>" in page
    (out / "fewest.html").unlink()
    assert run("render", out).returncode == 0
    assert (out / "fewest.html").read_text("utf-8") == page
    assert set(json.loads(run("schema", "fewest.json").stdout)["properties"]) == {"schema_version", "question", "group", "n"}
    (out / "fewest.json").write_text(json.dumps(facts | {"more": 1}), "utf-8")
    refused = run("render", out)
    assert (refused.returncode, "fewest.json does not follow its schema at more" in refused.stderr) == (3, True)


def test_the_example_does_what_the_page_says_in_60_lines(finished, tmp_path, monkeypatch):
    assert write_package(tmp_path / "site") <= 60
    points = tomllib.loads((tmp_path / "site" / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"][GROUP]
    installed = tmp_path / "site" / "vlm_audit_fewest-0.1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: vlm-audit-fewest\nVersion: 0.1\n")
    (installed / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *(f"{name} = {place}" for name, place in points.items())]))
    monkeypatch.syspath_prepend(tmp_path / "site")
    find.cache_clear()
    try:
        check(lambda *words: command(*words, module="audit.__main__"), *finished, tmp_path / "out")
        (tmp_path / "empty").mkdir()
        refused = command("fewest", tmp_path / "empty", "--out", tmp_path / "none", module="audit.__main__")
        assert (refused.returncode, "results.json not found" in refused.stderr) == (3, True)
    finally:
        find.cache_clear()
        for name in [name for name in sys.modules if name.startswith("vlm_audit_fewest")]:
            del sys.modules[name]


@pytest.mark.slow
def test_pip_installs_the_example_beside_the_program(finished, tmp_path):
    """In new interpreters, with the build backend that pip takes where a package names none; torch brings it."""
    write_package(tmp_path / "source")
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet")
    pip = [sys.executable, "-m", "pip", "install", *offline, "--target", str(tmp_path / "site"), str(tmp_path / "source")]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    path = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(ROOT)])}

    def run(*words):
        return subprocess.run(
            [sys.executable, "-m", "audit", *map(str, words)], capture_output=True, text=True, env=path, timeout=120, check=False
        )

    check(run, *finished, tmp_path / "out")
