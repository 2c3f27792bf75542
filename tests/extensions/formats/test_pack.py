"""Packed audits: equal bytes, verified as they are, and every hostile or changed archive refused by name."""

import csv
import hashlib
import io
import json
import shutil
import stat
import struct
import zipfile

import pytest

from audit import audit
from audit.__main__ import main
from audit.commands.verify import verify
from audit.extensions.formats.archive import OF_IMAGES as LEFT_OUT_BY_PACK
from tests.support.drawn_audits import Design, table
from tests.support.made_once import made_once
from tests.support.rooms import left_out
from verify.source import MOST_FILES, OF_IMAGES, UnreadableError, archived, open_source

MADE = {"verification.json", "profile.csv", "profile.html", "bom.json", "environment.json", "run.log"}
PLAIN = (stat.S_IFREG | 0o644) << 16


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished audit."""

    def make(folder):
        audit(predictions=table(Design((150, 150), "unequal", "known", effect=0.3)), draws=299, out=folder / "audit")

    return made_once(tmp_path_factory, "packed", make) / "audit"


@pytest.fixture(scope="module")
def pack(finished, tmp_path_factory):
    path = tmp_path_factory.mktemp("packs") / "a.pack.zip"
    assert main(["pack", str(finished), "--out", str(path)]) == 0
    return path


def run(capsys, *words):
    code = main([*map(str, words)])
    ended = capsys.readouterr()
    return code, ended.out + ended.err


def files_of(pack):
    with zipfile.ZipFile(pack) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def put(tmp_path, content):
    path = tmp_path / "x.pack.zip"
    path.write_bytes(content)
    return path


# ---- packing ---------------------------------------------------------------------------------------------------------------------------


def test_a_pack_holds_the_files_of_the_manifest_and_what_was_made_from_them(finished, pack):
    listed = json.loads((finished / "manifest.json").read_text())["files"]
    files = files_of(pack)
    assert set(files) - {"STATUS"} == {*listed, "manifest.json", *MADE} - ({"run.log"} - set(files))
    assert all(files[name] == (finished / name).read_bytes() for name in listed)
    results = json.loads(files["results.json"])
    assert json.loads(files["environment.json"])["environment"] == results["environment"]
    assert json.loads(files["verification.json"])["differs"] is False
    assert files["profile.csv"].startswith(b"model,probe,question")
    assert json.loads(files["bom.json"])["bomFormat"] == "CycloneDX"


def test_equal_audits_give_equal_bytes_and_the_command_prints_their_sha256(finished, pack, tmp_path, capsys):
    code, text = run(capsys, "pack", finished, "--out", tmp_path / "b.zip")
    assert code == 0
    assert (tmp_path / "b.zip").read_bytes() == pack.read_bytes()
    assert hashlib.sha256(pack.read_bytes()).hexdigest() in text
    assert "predictions.parquet is in it, because verification needs it: answers and attributes" in text


def test_the_lock_of_an_audit_is_packed_and_verified(tmp_path, capsys):
    table(Design((150, 150), "unequal", "known", effect=0.3)).to_csv(tmp_path / "a.csv", index=False)
    of = ("--predictions", tmp_path / "a.csv")
    assert run(capsys, "plan", *of, "--out", tmp_path / "plan.lock.json")[0] == 0
    assert run(capsys, "run", *of, "--lock", tmp_path / "plan.lock.json", "--out", tmp_path / "audit")[0] == 0
    assert run(capsys, "pack", tmp_path / "audit", "--out", tmp_path / "b.zip")[0] == 0
    files = files_of(tmp_path / "b.zip")
    assert files["plan.lock.json"] == (tmp_path / "plan.lock.json").read_bytes()
    code, text = run(capsys, "verify", tmp_path / "b.zip")
    assert code == 0
    assert "the results state 0 deviations" in text
    changed = archived({**files, "plan.lock.json": files["plan.lock.json"].replace(b"0.05", b"0.3", 1)})
    code, text = run(capsys, "verify", put(tmp_path, changed))
    assert code == 1
    assert "plan.lock.json" in next(line for line in text.splitlines() if "differs" in line)


def test_what_does_not_belong_together_is_not_packed(finished, tmp_path, capsys):
    folder = shutil.copytree(finished, tmp_path / "audit")
    (folder / "summary.md").write_text("edited\n")
    code, text = run(capsys, "pack", folder, "--out", tmp_path / "b.zip")
    assert code == 3
    assert "does not verify" in text
    (folder / "summary.md").unlink()
    (folder / "summary.md").symlink_to(finished / "summary.md")
    assert run(capsys, "pack", folder, "--out", tmp_path / "b.zip")[0] == 3
    (tmp_path / "empty").mkdir()
    assert run(capsys, "pack", tmp_path / "empty")[0] == 3
    assert not (tmp_path / "b.zip").exists()
    code, text = run(capsys, "pack", finished, "--out", tmp_path / "b.tar")
    assert code == 2
    assert "end it with .zip" in text


# ---- verifying -------------------------------------------------------------------------------------------------------------------------


def test_a_pack_is_verified_as_it_is(finished, pack, capsys):
    whole = verify(finished)
    found = verify(pack)
    assert found.counts() == whole.counts()
    assert found.counts()["recomputed independently"] > 500
    assert found.files.problems == []
    code, text = run(capsys, "verify", pack, "--digest", hashlib.sha256(pack.read_bytes()).hexdigest())
    assert code == 0
    assert "every byte of the archive is as it was when the digest was made" in text
    assert run(capsys, "verify", pack, "--digest", whole.files.digest)[0] == 0
    assert run(capsys, "verify", pack, "--digest", "0" * 64)[0] == 1


def test_without_predictions_no_number_is_called_verified(finished, tmp_path, capsys):
    code, text = run(capsys, "pack", finished, "--out", tmp_path / "b.zip", "--without-predictions")
    assert code == 0
    assert "not in it: predictions.parquet. Others can compare files, but recompute no number" in " ".join(text.split())
    found = verify(tmp_path / "b.zip")
    counts = found.counts()
    assert counts["not recomputable"] > 500
    assert counts | {"not recomputable": 0} == dict.fromkeys(counts, 0)
    code, text = run(capsys, "verify", tmp_path / "b.zip")
    assert code == 1
    assert text.splitlines()[-1].startswith(
        "NOT RECOMPUTABLE: 4 findings and 1 verdict could not be recomputed, because predictions.parquet is"
    )
    assert "VERIFIED" not in text
    statement = json.loads(run(capsys, "verify", tmp_path / "b.zip", "--statement")[1])
    assert "VLM_AUDIT_NUMBERS_RECOMPUTED" not in statement["predicate"]["properties"]


@pytest.mark.parametrize(
    ("column", "value"), [("rate", "0.5"), ("verdict", "equivalent"), ("p_adjusted", ""), ("n", "1"), ("tolerance", "0.3")]
)
def test_a_changed_cell_of_the_profile_is_named(pack, tmp_path, capsys, column, value):
    """It is not in the manifest: its numbers are compared with the results."""
    files = files_of(pack)
    rows = list(csv.DictReader(io.StringIO(files["profile.csv"].decode(), newline="")))
    at = next(number for number, row in enumerate(rows) if row[column] != value)
    rows[at][column] = value
    changed = io.StringIO(newline="")
    writer = csv.DictWriter(changed, rows[0], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    code, text = run(capsys, "verify", put(tmp_path, archived({**files, "profile.csv": changed.getvalue().encode()})))
    assert code == 1
    assert f"profile.csv: row {at + 1}, {column}: '{value}', in results.json" in text
    code, text = run(capsys, "verify", put(tmp_path, archived({**files, "profile.csv": b"\xff"})))
    assert code == 1
    assert "profile.csv: it is not a table" in text


def test_what_is_left_unchecked_without_the_extension_is_a_note(pack):
    with left_out("formats") as line:
        found = verify(pack)
    assert (found.differs, line in found.second.notes) == (False, True)
    assert line not in verify(pack).second.notes


def test_removed_predictions_are_a_difference(pack, tmp_path, capsys):
    files = {name: content for name, content in files_of(pack).items() if name != "predictions.parquet"}
    code, text = run(capsys, "verify", put(tmp_path, archived(files)))
    assert code == 1
    assert "predictions.parquet is missing" in text


def test_both_programs_know_the_same_files_about_images():
    assert LEFT_OUT_BY_PACK == OF_IMAGES


def test_a_changed_number_in_a_pack_is_named(pack, tmp_path, capsys):
    """Rehashed, so that only the answers contradict it."""
    files = files_of(pack)
    results = json.loads(files["results.json"])
    results["audits"][0]["findings"][0]["gap"]["value"] += 0.01
    files["results.json"] = (json.dumps(results, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
    manifest = json.loads(files["manifest.json"])
    manifest["files"]["results.json"] = hashlib.sha256(files["results.json"]).hexdigest()
    files["manifest.json"] = (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()
    code, text = run(capsys, "verify", put(tmp_path, archived(files)))
    assert code == 1
    assert "gap.value" in text


# ---- hostile archives ------------------------------------------------------------------------------------------------------------------


def hostile(files, *more, mode=PLAIN, kind=zipfile.ZIP_STORED, date=(1980, 1, 1, 0, 0, 0), comment=b"", order=sorted):
    """An archive of the files, and more (name, content) with another mode or kind."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in order(files):
            member = zipfile.ZipInfo(name, date)
            member.create_system, member.external_attr = 3, PLAIN
            archive.writestr(member, files[name])
        for name, text in more:
            member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            member.create_system, member.external_attr, member.compress_type = 3, mode, kind
            archive.writestr(member, text)
        archive.comment = comment
    return content.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("more", "options", "what"),
    [
        ([("../evil.txt", "x")], {}, "the name '../evil.txt' is not that of a file"),
        ([("/etc/passwd", "x")], {}, "the name '/etc/passwd' is not"),
        ([("tables/../../x", "x")], {}, "is not that of a file"),
        ([("C:\\x", "x")], {}, "is not that of a file"),
        ([("a\x01b", "x")], {}, "is not that of a file"),
        ([("tables/", "")], {}, "is not that of a file"),
        ([("evil.json", "results.json")], {"mode": (stat.S_IFLNK | 0o777) << 16}, "evil.json is a link, a folder or no plain file"),
        ([("pipe", "")], {"mode": (stat.S_IFIFO | 0o644) << 16}, "pipe is a link"),
        ([("evil", "")], {"mode": (stat.S_IFREG | 0o4755) << 16}, "evil is a link"),
        ([("results.json", "{}")], {}, "results.json occurs twice"),
        ([("RESULTS.json", "{}")], {}, "RESULTS.json occurs twice"),
        ([("bomb.csv", "0" * 10_000_000)], {"kind": zipfile.ZIP_DEFLATED}, "bomb.csv is compressed or encrypted"),
        ([("bomb.csv", "0" * 10_000_000)], {"kind": zipfile.ZIP_LZMA}, "bomb.csv is compressed or encrypted"),
        ([(f"f{number}", "") for number in range(MOST_FILES)], {}, "of at most 1,000"),
        ([], {"comment": b"hello"}, "not in the form in which it is written"),
        ([], {"date": (2026, 1, 1, 0, 0, 0)}, "not in the form in which it is written"),
        ([], {"order": lambda names: sorted(names, reverse=True)}, "not in the form in which it is written"),
        ([("left-out.json", '["results.json"]\n')], {}, "names other files than predictions.parquet"),
        ([("left-out.json", '["predictions.parquet"]\n')], {}, "predictions.parquet is in the archive, although"),
        ([("left-out.json", "[" * 100_000)], {}, "names other files"),
    ],
)
def test_a_hostile_archive_is_refused_by_name(pack, tmp_path, capsys, more, options, what):
    files = files_of(pack)
    if any(name == "left-out.json" for name, _ in more):
        content = archived({**files, **{name: text.encode() for name, text in more}})
    else:
        content = hostile(files, *more, **options)
    code, text = run(capsys, "verify", put(tmp_path, content))
    assert code == 3
    assert what in text
    assert "Traceback" not in text


def test_an_archive_that_is_no_archive(pack, tmp_path, capsys):
    content = pack.read_bytes()
    for broken in (b"", b"x", content[: len(content) // 2], b"#!/bin/sh\n" + content, content + b"more", content[:-1]):
        code, text = run(capsys, "verify", put(tmp_path, broken))
        assert code == 3, text[:200]
    (tmp_path / "link.zip").symlink_to(pack)
    code, text = run(capsys, "verify", tmp_path / "link.zip")
    assert code == 3
    assert "is a link" in text
    assert run(capsys, "verify", tmp_path / "nothing.zip")[0] == 3


def test_a_size_that_a_header_claims_is_not_believed(pack, tmp_path):
    """The directory says that each file has 4 GB, or that all are the same bytes."""
    content = bytearray(pack.read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + 20 : at + 28] = struct.pack("<II", 0xFFFFFFF0, 0xFFFFFFF0)
    with pytest.raises(UnreadableError, match=r"overlap|damaged"):
        verify(put(tmp_path, bytes(content)))


def test_every_changed_byte_of_the_archive_is_noticed(pack, tmp_path):
    """Without a digest: refused, or named; a change of what was only made from the results at least breaks its checksum."""
    content = pack.read_bytes()
    for at in range(0, len(content), max(1, len(content) // 150)):
        changed = bytearray(content)
        changed[at] ^= 1
        path = put(tmp_path, bytes(changed))
        try:
            assert verify(path).differs, at
        except UnreadableError:
            continue


def test_nothing_is_unpacked(pack, tmp_path, monkeypatch):
    path = put(tmp_path, pack.read_bytes())
    monkeypatch.chdir(tmp_path)
    source = open_source(path)
    assert len(source.names()) > 10
    verify(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.pack.zip"]
