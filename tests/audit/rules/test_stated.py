"""What was chosen cannot be deleted from the results in silence: the answers have a copy of the notes, and the command is recorded."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from audit import results as results_file
from audit.__main__ import main
from audit.commands.verify import verify
from reports.rendered import files_of_audit
from tests.support.drawn_audits import Design, table
from tests.support.made_once import made_once
from tests.verify.test_command import rehash
from verify.source import PREDICTIONS


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An audit by one of two attributes, with clusters that were chosen."""

    def make(folder):
        rows = table(Design((80, 80), "unequal", "known", effect=0.3, gender=True))
        rows.assign(person=[f"p{row // 2}" for row in range(len(rows))]).to_csv(folder / "a.csv", index=False)
        words = ["--predictions", str(folder / "a.csv"), "--attributes", "gender", "--cluster", "person", "--out", str(folder / "audit")]
        assert main(["run", *words, "--quiet"]) == 0

    return made_once(tmp_path_factory, "chosen", make) / "audit"


@pytest.fixture
def folder(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "audit")


def without_choices(folder):
    """What a forger does: no note, no limit, no sentence on any page names the race, and the manifest fits."""
    results = json.loads((folder / "results.json").read_text("utf-8"))
    (audit,) = results["audits"]
    audit["data"]["notes"] = [note for note in audit["data"]["notes"] if not note["code"].endswith("_chosen")]
    audit["probe"]["not_tested"] = [entry for entry in audit["probe"]["not_tested"] if "race" not in entry]
    text = json.dumps(results)
    for name, content in {"results.json": text, **files_of_audit(results_file.from_json(text), text)}.items():
        (folder / name).write_text(content, "utf-8")
        rehash(folder, name)
    return audit


def restate(folder, change):
    """Give the answers another copy of the notes and limits."""
    rows = pq.read_table(folder / PREDICTIONS)
    facts = dict(rows.schema.metadata)
    stated = change(json.loads(facts.pop(b"vlm_audit.stated")))
    facts |= {} if stated is None else {b"vlm_audit.stated": json.dumps(stated).encode()}
    pq.write_table(rows.replace_schema_metadata(facts), folder / PREDICTIONS)
    rehash(folder, PREDICTIONS)


def test_a_page_without_what_was_chosen_is_named(folder, capsys):
    assert "race" in (folder / "report.html").read_text("utf-8")
    assert main(["verify", str(folder)]) == 0
    without_choices(folder)
    assert "race" not in (folder / "report.html").read_text("utf-8")
    capsys.readouterr()
    assert main(["verify", str(folder), "--all"]) == 1
    text = capsys.readouterr().out
    assert "rendered    8 of 8 files" in text  # they follow from the results, which are not those of the run
    missing = "audits[0].data.notes.missing[0]: recorded None, recomputed {'code': 'attributes_chosen'"
    assert missing in text
    assert "audits[0].probe.not_tested.missing[0]: recorded None, recomputed 'differences by race: " in text


def test_the_recorded_command_names_chosen_clusters_whose_notes_are_gone(folder):
    audit = without_choices(folder)
    restate(folder, lambda stated: [{**stated[0], "data": audit["data"], "probe": audit["probe"]}])
    assert [str(one) for one in verify(folder).differences] == ["audits[0].data.cluster_chosen: recorded [], recomputed ['person']"]


@pytest.mark.slow_except("data-limited-True")
@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("data", "exclusions", []),
        ("data", "limited", True),
        ("data", "source", "another"),
        ("probe", "limits", ["none"]),
        ("probe", "made", {}),
    ],
)
def test_every_field_about_the_data_and_the_probe_is_compared(folder, part, name, value):
    def change(stated):
        stated[0]["data"]["exclusions"] = [{"reason": {"code": "listed", "values": {}}, "count": 64, "by_group": {}, "examples": []}]
        return stated

    restate(folder, change)  # a run with a list of left out images
    results = json.loads((folder / "results.json").read_text("utf-8"))
    results["audits"][0]["data"]["exclusions"] = [{"reason": {"code": "listed", "values": {}}, "count": 64, "by_group": {}, "examples": []}]
    (folder / "results.json").write_text(json.dumps(results), "utf-8")
    rehash(folder, "results.json")
    assert verify(folder).differences == []
    results["audits"][0][part][name] = value
    (folder / "results.json").write_text(json.dumps(results), "utf-8")
    rehash(folder, "results.json")
    assert all(str(one).startswith(f"audits[0].{part}.{name}") for one in verify(folder).differences)
    assert verify(folder).differences


def test_answers_without_a_copy_of_the_notes_are_said(folder):
    restate(folder, lambda stated: None)
    found = verify(folder)
    assert found.end == "VERIFIED"
    assert (
        f"{PREDICTIONS} has no copy of what the audit says about its data: an earlier version wrote it, or it was removed"
        in found.second.notes
    )
