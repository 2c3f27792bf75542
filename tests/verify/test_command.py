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
from tests.support.drawn_audits import Design, table
from tests.support.made_once import made_once
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
    numbers = r" \([\d,]+ verified, 0 differs, 0 within Monte-Carlo error, [\d,]+ not recomputable\)"
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
    held = ["VLM_AUDIT_FILES_AS_IN_MANIFEST", "VLM_AUDIT_NUMBERS_RECOMPUTED"]
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


def test_a_sentence_changed_by_someone_who_rehashes_needs_a_digest(folder, capsys):
    """The page is not drawn again: without a digest from outside nothing tells that it is another."""
    before = digest(folder)
    page = folder / "report.html"
    page.write_text(page.read_text("utf-8").replace("differ", "do not differ"), "utf-8")
    code, text = ran(folder, capsys)
    assert code == 1
    assert "differs: report.html: its sha256" in text
    rehash(folder, "report.html")
    assert ran(folder, capsys)[0] == 0
    code, text = ran(folder, capsys, "--digest", before)
    assert code == 1
    assert f"digest      DIFFERS: that of manifest.json is {digest(folder)}" in text


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
