"""``vlm-audit verify``: every changed byte is named, a forger who rehashes is caught by a digest, and exit codes."""

import hashlib
import json
import logging
import random
import re
import shutil

import pytest
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

from audit import audit
from audit.__main__ import main
from audit.output.run_directory import RunDirectory
from audit.rules import step as again
from audit.rules.step import rendered_again
from audit.version import __version__
from tests.support.drawn_audits import Design, table
from tests.support.made_once import made_once
from verify.command import main as numbers_alone
from verify.folder import check_files
from verify.source import FolderSource


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished audit."""

    def make(folder):
        audit(predictions=table(Design((150, 150), "unequal", "known", effect=0.3)), draws=299, out=folder / "audit")

    return made_once(tmp_path_factory, "verified", make) / "audit"


@pytest.fixture
def folder(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "audit")


def ran(folder, capsys, *words):
    code = main(["verify", str(folder), *words])
    return code, capsys.readouterr().out


def rehash(folder, name):
    """What a forger does: the manifest says that the changed file is the right one."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")


def digest(folder):
    return hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()


def test_a_finished_audit_is_verified(folder, capsys):
    code, text = ran(folder, capsys)
    assert code == 0
    assert ", 0 differs, 0 within Monte-Carlo error, " in text
    last = "VERIFIED, without a digest from outside: the numbers follow from the answers in these files, whose origin was not checked"
    assert "rendered    8 of 8 files (page, summary, card, tables) are what this program renders from the results\n" in text
    pages = r"; the page, summary, card and tables \(8 files\) follow from the results"
    counts = r"[\d,]+ recomputed independently, \d+ by the audit's own rules from these, 0 differs"
    numbers = rf"{pages} \({counts}, 0 within Monte-Carlo error, [\d,]+ not recomputable\)"
    assert re.fullmatch(last + numbers, text.splitlines()[-1])
    code, text = ran(folder, capsys, "--digest", digest(folder).upper())
    last = "VERIFIED: the numbers follow from the answers in these files, which are those of the digest"
    assert code == 0
    assert re.fullmatch(last + numbers, text.splitlines()[-1])


def test_what_was_verified_can_be_stated_and_what_differs_cannot(folder, capsys):
    code, text = ran(folder, capsys, "--statement")
    stated = json.loads(text)
    Statement.copy_from_pb(json_format.ParseDict(stated, statement_pb2.Statement())).validate()
    assert (code, stated["predicateType"]) == (0, "https://in-toto.io/attestation/svr/v0.1")
    assert stated["subject"] == [{"name": "manifest.json", "digest": {"sha256": digest(folder)}}]
    held = ["VLM_AUDIT_FILES_AS_IN_MANIFEST", "VLM_AUDIT_NUMBERS_RECOMPUTED", "VLM_AUDIT_FILES_AS_RENDERED"]
    assert stated["predicate"]["properties"] == held
    assert json.loads(ran(folder, capsys, "--statement", "--digest", digest(folder))[1])["predicate"]["properties"] == [
        *held,
        "VLM_AUDIT_DIGEST_AS_GIVEN",
    ]
    (folder / "summary.md").write_text("no difference")
    assert ran(folder, capsys, "--statement") == (1, "")


def test_each_flipped_byte_is_named(folder):
    """The first, the last and one in the middle of every file that a run completes, and every byte of the manifest."""
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    assert len(listed) > 7
    for name in (*listed, "STATUS"):
        good = (folder / name).read_bytes()
        for at in (0, len(good) // 2, len(good) - 1):
            (folder / name).write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
            assert any(problem.startswith(f"{name}:") for problem in check_files(FolderSource(folder)).problems), (name, at)
        (folder / name).write_bytes(good)
    good = (folder / "manifest.json").read_bytes()
    for at in range(0, len(good), 7):
        (folder / "manifest.json").write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        assert check_files(FolderSource(folder)).problems, at
    (folder / "manifest.json").write_bytes(good)
    assert check_files(FolderSource(folder)).problems == []


@pytest.mark.slow
def test_140_places_drawn_at_random_are_named(folder):
    """A byte of any file, a word of the page's text and a number of its charts: with `test_agreement`, five hundred single changes."""
    source, page = random.Random(0), (folder / "report.html").read_text("utf-8")
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    chart = [match.span() for match in re.finditer(r"(?<=[ ,\"])\d+\.\d+(?=[ ,\"])", "".join(re.findall(r"<svg.*", page, re.DOTALL)[:1]))]
    words = [match.span() for match in re.finditer(r"(?<=[> ])[A-Za-z]{4,}(?=[ .,<])", page)]
    start = page.index("<svg")
    places = [(start + first, start + last) for first, last in source.sample(chart, 20)] + source.sample(words, 70)
    for first, last in places:
        changed = page[:first] + page[first:last].swapcase().translate(str.maketrans("0123456789", "1234567890")) + page[last:]
        (folder / "report.html").write_text(changed, "utf-8")
        assert check_files(FolderSource(folder)).problems[0].startswith("report.html:"), page[first - 20 : last + 20]
    (folder / "report.html").write_text(page, "utf-8")
    for _ in range(50):
        name = source.choice(sorted(listed))
        good = (folder / name).read_bytes()
        at = source.randrange(len(good))
        (folder / name).write_bytes(good[:at] + bytes([good[at] ^ (1 << source.randrange(8))]) + good[at + 1 :])
        assert check_files(FolderSource(folder)).problems[0].startswith(f"{name}:"), (name, at)
        (folder / name).write_bytes(good)
    assert check_files(FolderSource(folder)).problems == []


def test_a_missing_file_and_a_link_are_named(folder, tmp_path):
    (folder / "summary.md").rename(tmp_path / "elsewhere.md")
    assert check_files(FolderSource(folder)).problems == ["summary.md is missing"]
    (folder / "summary.md").symlink_to(tmp_path / "elsewhere.md")
    assert check_files(FolderSource(folder)).problems == ["summary.md is a link"]


@pytest.mark.parametrize(("error", "status"), [(None, "running"), (KeyboardInterrupt, "interrupted"), (ValueError, "failed")])
def test_files_of_the_run_before_one_that_did_not_complete_are_verified(folder, capsys, error, status):
    run = RunDirectory(folder, log=logging.getLogger("rerun"))
    (run.open().open().folder(".draft", make=True).path / "results.json").write_text("half of")
    if error is not None:
        run.__exit__(error, error(), None)
    assert (folder / "STATUS").read_text().split("\n")[0] == status
    code, text = ran(folder, capsys, "--digest", digest(folder))
    ended = {"running": "was killed or has not ended", "interrupted": "was interrupted", "failed": "failed"}[status]
    assert code == 0
    assert f"note: STATUS is '{status}': a run in this folder {ended}; the files are of the last one that was completed\n" in text
    (folder / "STATUS").write_text(f"{status}\nand something else\n")
    assert "differs: STATUS: expected 'complete' and nothing else" in ran(folder, capsys)[1]


def test_a_newer_run_whose_files_are_not_in_their_place_is_named(folder, capsys):
    (folder / ".new").mkdir()
    (folder / ".new" / "manifest.json").write_text("{}")
    assert "note: a newer run is complete in .new, and was not checked: vlm-audit render puts" in ran(folder, capsys)[1]


def test_a_sentence_changed_by_someone_who_rehashes_is_named(folder, capsys):
    """The page is rendered again from the results; without that step, only a digest from outside tells that it is another."""
    before = digest(folder)
    page = folder / "report.html"
    page.write_text(page.read_text("utf-8").replace("differ", "do not differ"), "utf-8")
    code, text = ran(folder, capsys)
    assert code == 1
    assert "differs: report.html: its sha256" in text
    rehash(folder, "report.html")
    code, text = ran(folder, capsys)
    assert code == 1
    assert "files       10 of 10 as in manifest.json" in text
    assert "rendered    7 of 8 files (page, summary, card, tables) are what this program renders from the results" in text
    assert re.search(r"differs: report.html: line [\d,]+ is not what follows from the results\n", text)
    assert text.splitlines()[-1].startswith("DIFFERS: see above (")
    assert json.loads(ran(folder, capsys, "--json")[1])["rendered"]["differs"] != []
    assert ran(folder, capsys, "--statement") == (1, "")
    code, text = ran(folder, capsys, "--no-rendered")
    assert code == 0
    assert "; the page, summary, card and tables were not rendered again: --no-rendered (" in text.splitlines()[-1]
    code, text = ran(folder, capsys, "--no-rendered", "--digest", before)
    assert code == 1
    assert f"digest      DIFFERS: that of manifest.json is {digest(folder)}" in text
    assert numbers_alone([str(folder)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert "; the second step was not done: python -m verify recomputes numbers alone (" in last
    assert numbers_alone([str(folder), "--digest", before]) == 1
    assert "differs: the sha256 of manifest.json is " in capsys.readouterr().out


def test_files_of_another_version_are_not_compared_and_the_last_line_says_so(folder, capsys):
    text = (folder / "results.json").read_text("utf-8")
    (folder / "results.json").write_text(text.replace(f'"tool": "vlm-audit {__version__}"', '"tool": "vlm-audit 0.0.9"'), "utf-8")
    rehash(folder, "results.json")
    code, text = ran(folder, capsys)
    assert code == 0
    why = f"they are of vlm-audit 0.0.9, and this is vlm-audit {__version__} ("
    assert f"; the page, summary, card and tables were not rendered again: {why}" in text.splitlines()[-1]
    assert "VLM_AUDIT_FILES_AS_RENDERED" not in ran(folder, capsys, "--statement")[1]


@pytest.mark.parametrize("name", ["summary.md", "model_card.md", "tables/rates.csv", "tables/gaps.csv"])
def test_a_file_for_people_that_has_other_bytes_is_named(folder, name):
    good = (folder / name).read_bytes()
    for changed in (good[:-1], good + b" ", b" " + good, good.replace(b"0", b"1", 1), good.replace(b"a", b"b", 1)):
        (folder / name).write_bytes(changed)
        (problem,) = rendered_again(FolderSource(folder)).problems
        assert re.fullmatch(rf"{name}: line \d+ is not what follows from the results", problem)
    (folder / name).unlink()
    assert rendered_again(FolderSource(folder)).problems == (f"{name}: it follows from the results, and is missing",)


def test_pages_about_left_out_images_are_those_that_the_results_give(tmp_path):
    """In the file, attributes and groups are in alphabetical order."""
    rows = table(Design((40, 40), "unequal", "known", gender=True))
    audit(predictions=rows, attributes="race,gender", exclude=["r0", "r41", "r42"], draws=99, out=tmp_path / "out")
    assert rendered_again(FolderSource(tmp_path / "out")).problems == ()


def test_a_table_that_does_not_follow_from_the_results_is_named(folder):
    (folder / "tables" / "more.csv").write_text("group,rate\nman,1\n")
    assert rendered_again(FolderSource(folder)).problems == ("tables/more.csv: no such file follows from the results",)


def test_results_that_contradict_themselves_are_named(folder, capsys):
    results = json.loads((folder / "results.json").read_text("utf-8"))
    results["audits"][0]["findings"][0]["by_group"] = []
    (folder / "results.json").write_text(json.dumps(results))
    rehash(folder, "results.json")
    code, text = ran(folder, capsys)
    assert code == 1
    assert "differs: results.json cannot be rendered (" in text


@pytest.mark.slow
def test_500_single_changes_of_the_page_the_summary_the_card_and_the_tables_are_named(folder, monkeypatch):
    """A word, a digit or any byte of any of these files is another, is gone or is twice there; the manifest would say that all is well."""
    source, files = random.Random(0), again._files("results.json", (folder / "results.json").read_text("utf-8"))
    monkeypatch.setattr(again, "_files", lambda name, facts: files)  # rendering them 500 times shows nothing more
    assert rendered_again(FolderSource(folder)).problems == ()
    for number in range(500):
        name = sorted(files)[number % len(files)]
        good = (folder / name).read_bytes()
        places = [match.span() for match in re.finditer(rb"[A-Za-z]{4,}" if number % 2 else rb"\d", good)]
        first, last = source.choice(places) if number % 3 else (at := source.randrange(len(good)), at + 1)
        old = good[first:last]
        new = source.choice([b"", old + old, bytes([old[0] ^ (1 << source.randrange(8))]) + old[1:]])
        (folder / name).write_bytes(good[:first] + new + good[last:])
        (problem,) = rendered_again(FolderSource(folder)).problems
        assert problem.startswith(f"{name}: line "), (name, first, old, new)
        (folder / name).write_bytes(good)
    assert rendered_again(FolderSource(folder)).problems == ()


@pytest.mark.parametrize(("field", "value"), [("verdict", "equivalent"), ("tolerance", 0.5)])
def test_numbers_changed_by_someone_who_rehashes_are_named(folder, capsys, field, value):
    results = json.loads((folder / "results.json").read_text())
    results["audits"][0]["findings"][0][field] = value
    (folder / "results.json").write_text(json.dumps(results))
    rehash(folder, "results.json")
    code, text = ran(folder, capsys)
    assert code == 1
    assert "differs: audits[0].findings[0]." in text


def test_answers_that_do_not_fit_the_results_are_a_difference(folder, capsys):
    results = json.loads((folder / "results.json").read_text())
    results["audits"][0]["findings"][0]["attributes"] = ["shoe size"]
    (folder / "results.json").write_text(json.dumps(results))
    rehash(folder, "results.json")
    code, text = ran(folder, capsys)
    assert code == 1
    assert "results.json and the answers do not fit together" in text


def test_the_result_as_json(folder, capsys):
    code, text = ran(folder, capsys, "--json")
    facts = json.loads(text)
    assert (code, facts["end"], facts["differs"], facts["files"], facts["values"]["differs"]) == (0, "verified", False, [], 0)
    assert facts["manifest_sha256"] == digest(folder)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": 3}', '{"files": {"../x": "00"}}', "null"])
def test_a_damaged_manifest_is_a_difference(folder, capsys, content):
    (folder / "manifest.json").write_text(content)
    code, text = ran(folder, capsys)
    assert code == 1
    assert "differs: manifest.json: " in text


def test_what_is_no_output_folder_ends_with_3_and_a_bad_digest_with_2(tmp_path, folder, capsys):
    assert main(["verify", str(tmp_path / "nowhere")]) == 3
    assert "error[E3] manifest.json is missing" in capsys.readouterr().err
    assert main(["verify", str(folder), "--digest", "12"]) == 2
    assert "error[E2] --digest: expected a sha256" in capsys.readouterr().err
