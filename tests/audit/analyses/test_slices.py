"""Analyses as slices: nothing outside its two folders knows one, so that one is removed, and another added, alone."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from audit.analyses.base.kinds import analysis_kinds
from tests.support.house import PACKAGES, ROOT, imported, module_name

FIELDS = {kind.__name__.split(".")[-2]: kind.FIELD for kind in analysis_kinds()}
KNOWN_TO = {
    "conditions": {"audit.probe.variants"},  # --harmless asks a probe under other conditions
    "natural_shift": {"audit.comparison.effective", "audit.api.pipeline"},  # several models beside each other: --baseline-models
    "ranking": {"audit.probe.example"},  # the example of a probe has one
    "word_rates": {"audit.engine.external"},  # texts without a probe: --texts
}
"""Analysis -> the modules of the core that know it besides results and probes."""
REMOVED, ADDED = "text_association", "stamping"
ADDED_WORDS = {"tagging": "stamping", "Tagging": "Stamping", "TaggedLabel": "StampedLabel", "Who gets which labels": "Which stamps"}
"""Words of the analysis that CONTRIBUTING starts from -> those of the one that is added."""
SCRIPT = """
import json
import audit as package
import probes
from audit.analyses.ranking.plan import RankingPlan
from audit.analyses.stamping.plan import StampingPlan
from audit.engine.probe_audit import audit
from audit.api.audit_output import assemble_results
from audit.records.base import Timing
from audit.results import AuditResult, from_json, to_json
from audit.testing import FakeEncoder, four_faces
from audit.types import Probe, Settings
from reports.exports.tables import csv_tables
from reports.render import render
from reports.text.analyses import lines

labels = {"a woman": ("a woman",), "a man": ("a man",)}
plans = (
    RankingPlan("Who comes first?", {"woman": ("a woman",)}, ("gender",), "test v1", ks=(20,)),
    StampingPlan("Who gets which stamp?", labels, ("gender",), "test v1"),
)
data, settings = four_faces(60), Settings(draws=99)
probe = Probe("p", "?", lambda options: data, (), "ours", "none", (), (), analyses=plans)
results = assemble_results([audit(FakeEncoder(), probe, data, settings)], settings, (), {}, Timing("2026-01-01T00:00:00Z", 1.0))
page, found = render(results), results.audits[0]
first = found.stampings[0].labels[0]
print(json.dumps({
    "package": package.__file__, "names": probes.names(), "fields": list(AuditResult.__dataclass_fields__),
    "counts": [first.label, *first.counts], "groups": found.stampings[0].groups, "verdict": first.verdict, "rankings": len(found.rankings),
    "tables": sorted(csv_tables(results)), "read": from_json(to_json(results)) == results,
    "sections": [title for title in ("Which stamps", "Who ranks first", "Which texts are near") if title in page],
    "lines": lines(found, settings),
}))
"""


@pytest.fixture(scope="module")
def trees():
    """Module -> its syntax tree."""
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return {module_name(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8")) for path in paths}


@pytest.fixture(scope="module")
def imports(trees):
    return {module: imported(tree, set(trees)) for module, tree in trees.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "field"), FIELDS.items())
def test_nothing_but_results_and_probes_knows_an_analysis(trees, imports, name, field):
    own = (f"audit.analyses.{name}.", f"reports.analyses.{name}.")
    know = {module for module, others in imports.items() if any(other.startswith(own) for other in others)}
    if field != name:  # else it is also a word for other things
        read = {
            module for module, tree in trees.items() for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == field
        }
        know |= read
    others = {module for module in know if not module.startswith((*own, "probes.", "audit.extensions."))}
    assert others - {"audit.results"} == KNOWN_TO.get(name, set())


def of_contributing():
    """Return the files of the analysis that CONTRIBUTING starts from, by its table."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    table = text[text.index("**Add an analysis") : text.index("To remove an analysis")]
    return set(re.findall(r"^\| `((?:audit|reports)/analyses/\S+)`", table, re.MULTILINE))


def remove(root, name):
    """Remove an analysis as CONTRIBUTING says: both folders, its field, and the probes that list its plan."""
    for side in ("audit", "reports"):
        shutil.rmtree(root / side / "analyses" / name)
    results = root / "audit" / "results.py"
    text = results.read_text("utf-8")
    record = re.search(rf"^from audit\.analyses\.{name}\.record import (\w+)\n", text, re.MULTILINE)
    text = text.replace(record[0], "")
    text, fields = re.subn(rf"^    \w+: tuple\[{record[1]}, \.\.\.\] = \(\)\n(    \"\"\".*\"\"\"\n)?", "", text, flags=re.MULTILINE)
    assert fields == 1
    results.write_text(text, "utf-8")
    for probe in (root / "probes").rglob("*.py"):
        if f"audit.analyses.{name}." in probe.read_text("utf-8"):
            probe.unlink()


def add(root, start, name):
    """Add an analysis: two folders in other words, and its field."""
    words = re.compile("|".join(sorted(ADDED_WORDS, key=len, reverse=True)))
    for side in ("audit", "reports"):
        for path in (ROOT / side / "analyses" / start).iterdir():
            if path.is_file():
                to = root / side / "analyses" / name / path.name.replace(start, name)
                to.parent.mkdir(exist_ok=True)
                to.write_text(words.sub(lambda match: ADDED_WORDS[match[0]], path.read_text("utf-8")), "utf-8")
    results = root / "audit" / "results.py"
    line = f"from audit.analyses.{start}.record import Tagging\n"
    text = results.read_text("utf-8").replace(line, line + words.sub(lambda match: ADDED_WORDS[match[0]], line))
    field = "    taggings: tuple[Tagging, ...] = ()\n"
    results.write_text(text.replace(field, "    stampings: tuple[Stamping, ...] = ()\n" + field), "utf-8")


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """What a copy of the repository finds, without one analysis and with another."""
    root = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    remove(root, REMOVED)
    add(root, "tagging", ADDED)
    env = {**os.environ, "AUDIT_CACHE_DIR": str(tmp_path_factory.mktemp("cache"))}
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=root, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["package"].startswith(str(root))
    return found


@pytest.mark.slow
def test_without_an_analysis_everything_else_goes_on(changed):
    assert "text_associations" not in changed["fields"]
    assert "text_only" not in changed["names"]
    assert {"tagging", "occupations"} <= set(changed["names"])
    assert (changed["rankings"], changed["read"]) == (1, True)
    assert "Who ranks first" in changed["sections"]
    assert "Which texts are near" not in changed["sections"]


def test_an_analysis_as_contributing_lists_it_is_two_folders_and_a_field(changed):
    listed = {path.rpartition("/")[2] for path in of_contributing()}
    files = {path.name for side in ("audit", "reports") for path in (ROOT / side / "analyses" / "tagging").iterdir() if path.is_file()}
    assert listed == files - {"__init__.py"}
    # Green is "a man" to the encoder: none of 120 women is, and 60 of 120 men.
    assert dict(zip(changed["groups"], changed["counts"][1:], strict=True)) == {"Female": 0, "Male": 60}
    assert (changed["counts"][0], changed["verdict"]) == ("a man", "signal")
    assert "stamping.csv" in changed["tables"]
    assert "Which stamps" in changed["sections"]
    assert sum("label" in line for line in changed["lines"]) == 1
