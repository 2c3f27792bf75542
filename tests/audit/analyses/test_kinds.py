"""Analyses of extensions: one folder and one line add one; without its extension a plan is not asked, and records are kept."""

import inspect
import json
import re
import sys
from dataclasses import replace

import pytest

from audit import extension
from audit.analyses import kinds, plans
from audit.analyses.plans import LanguagePlan, RankingPlan, TaggingPlan
from audit.api.audit_output import assemble_results
from audit.engine.answers import audit
from audit.errors import DataError, UsageError
from audit.extension import GROUP, find
from audit.records.base import Timing
from audit.results import from_json, json_schema, to_json
from audit.testing import FakeEncoder, four_faces, gender_probe
from audit.types import Settings
from reports.exports.tables import csv_tables
from reports.render import render
from reports.text.analyses import lines
from tests.support.analyses import probe_of
from tests.support.house import ROOT

pytestmark = pytest.mark.extension("tagging", "ranking", "word_rates", "language")
WORDS = {
    "audit.extensions.tagging": "stamping", "audit.analyses.plans": "stamping.plan", "tagging": "stamping", "Tagging": "Stamping",
    "TaggedLabel": "StampedLabel", "Who gets which labels": "Which stamps",
}  # fmt: skip
"""Words of tagging -> those of the analysis that a package adds."""
LABELS = {"a woman": ("a woman",), "a man": ("a man",)}


def in_other_words(text):
    return re.sub("|".join(sorted(WORDS, key=len, reverse=True)), lambda match: WORDS[match[0]], text)


@pytest.fixture
def stamping(tmp_path, monkeypatch):
    """A package beside this one that adds an analysis: a folder, and a line among its entry points."""
    for path in (ROOT / "audit" / "extensions" / "tagging").iterdir():
        if path.is_file():
            to = tmp_path / "stamping" / path.name.replace("tagging", "stamping")
            to.parent.mkdir(exist_ok=True)
            to.write_text(in_other_words(path.read_text("utf-8")), "utf-8")
    before = inspect.getsource(plans).partition("# ---- ")[0]
    (tmp_path / "stamping" / "plan.py").write_text(in_other_words(before + inspect.getsource(TaggingPlan)), "utf-8")
    installed = tmp_path / "stamping-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: stamping\nVersion: 1\n")
    (installed / "entry_points.txt").write_text(f"[{GROUP}]\nstamping = stamping:EXTENSION\n")
    monkeypatch.syspath_prepend(tmp_path)
    find.cache_clear()
    yield
    find.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "stamping"]:
        del sys.modules[name]


def test_an_analysis_is_one_folder_and_one_line(stamping):
    from stamping.plan import StampingPlan

    asked = (
        RankingPlan("Who comes first?", {"woman": ("a woman",)}, ("gender",), "test v1", ks=(20,)),
        StampingPlan("Who gets which stamp?", LABELS, ("gender",), "test v1"),
    )
    data, settings = four_faces(60), Settings(draws=99)
    results = assemble_results(
        [audit(FakeEncoder(), probe_of(data, asked), data, settings)], settings, (), {}, Timing("2026-01-01T00:00:00Z", 1.0)
    )
    found, page = results.audits[0], render(results)
    (first, *_) = found.analyses["stampings"]
    # Green is "a man" to the encoder: none of 120 women is, and 60 of 120 men.
    assert (first.groups, first.labels[0].label, first.labels[0].counts) == (("Female", "Male"), "a man", (0, 60))
    assert first.labels[0].verdict == "signal"
    assert len(found.analyses["rankings"]) == 1
    assert {"Which stamps", "Who ranks first"} <= set(re.findall(r">([^<>]+)</h3>", page))
    assert {"stamping.csv", "ranking.csv"} <= set(csv_tables(results))
    assert sum("label" in line for line in lines(found, settings)) == 1
    assert from_json(to_json(results)) == results
    assert json_schema()["$defs"]["AuditResult"]["properties"]["stampings"]["items"] == {"$ref": "#/$defs/Stamping"}


@pytest.fixture
def without(monkeypatch):
    """Take an extension away."""

    def take(name):
        left = tuple(one for one in find().extensions if one.name != name)
        monkeypatch.setattr(extension, "find", lambda: extension.Found(left, ()))

    return take


@pytest.fixture(scope="module")
def tagged():
    """Results with taggings."""
    data, settings = four_faces(60), Settings(draws=99)
    done = audit(FakeEncoder(), probe_of(data, [TaggingPlan("Who gets which labels?", LABELS, ("gender",), "test v1")]), data, settings)
    return assemble_results([done], settings, (), {}, Timing("2026-01-01T00:00:00Z", 1.0))


def test_a_plan_that_no_extension_answers_is_named_and_not_asked(tagged, without, caplog):
    without("tagging")
    data, plan = four_faces(60), TaggingPlan("Who gets which labels?", LABELS, ("gender",), "test v1")
    done = audit(FakeEncoder(), replace(gender_probe(data), analyses=(plan,)), data, Settings(draws=99)).result
    assert "taggings" not in done.analyses
    assert done.findings
    said = "not asked, since no extension that is installed answers a TaggingPlan: Who gets which labels?"
    assert [record.getMessage() for record in caplog.records if "not asked" in record.getMessage()] == [said]
    with pytest.raises(UsageError, match="no extension that is installed answers the questions of the probe 'p'"):
        kinds.check(probe_of(data, [plan]), data, Settings())


def test_a_question_on_which_all_others_depend_is_not_left_out(without):
    """Else numbers would be reported of a model that does not understand the language."""
    without("language")
    data = four_faces(5)
    probe = replace(gender_probe(data), analyses=(LanguagePlan("Is it understood?", "de", "German", (), "test v1"),))
    with pytest.raises(UsageError, match="on which all others of the probe"):
        kinds.check(probe, data, Settings())


def test_records_that_no_extension_reads_are_kept_byte_for_byte_and_named(tagged, without):
    text = to_json(tagged)
    without("tagging")
    kept = from_json(text)
    assert isinstance(kept.audits[0].analyses["taggings"][0], dict)
    assert to_json(kept) == text
    said = "The results also have ‘taggings’, which no extension that is installed reads: kept, and not shown."
    assert said in render(kept)
    assert said in lines(kept.audits[0], kept.settings)
    assert "Who gets which labels</h3>" not in render(kept)


def test_texts_need_the_extension_that_reads_them(without):
    without("word_rates")
    with pytest.raises(UsageError, match=r"answers\.csv holds texts, which no extension that is installed reads"):
        kinds.probe_of_texts(None, {"text": ("a",)}, four_faces(1).attributes, "answers.csv")


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"taggings": [{"question": 1}]}, r"audits\.0\.taggings\.0\.question"),
        ({"taggings": {}}, r"audits\.0\.taggings"),
        ({"odd": 3}, r"audits\.0\.odd"),
        ({"analyses": {"taggings": []}}, r"audits\.0\.analyses"),
    ],
)
def test_what_is_no_record_is_refused_with_its_place(tagged, changed, place):
    fields = json.loads(to_json(tagged))
    fields["audits"][0] |= changed
    with pytest.raises(DataError, match=f"does not follow its schema at {place}"):
        from_json(json.dumps(fields))


def test_equal_results_have_equal_analyses(tagged):
    first = tagged.audits[0]
    assert first.with_analyses({}) == first == replace(first)
    assert first.with_analyses({"taggings": ()}) != first
