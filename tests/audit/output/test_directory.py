import datetime as dt
import errno
import os

import pytest

from audit.errors import MachineError, UsageError
from audit.output import directory as outputs

NOON = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC)


def test_the_default_directory_says_model_probe_and_time():
    assert str(outputs.default_directory(["emoji-ckpt"], ["fairface"], NOON)) == "audits/emoji-ckpt--fairface--20260102T120000Z"
    assert outputs.default_directory(["a b/../c"], ["x", "y"], NOON).name == "a-b-..-c--2-together--20260102T120000Z"


def test_a_file_is_old_or_new_never_half_and_a_full_disk_is_the_environments_fault(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    outputs.write_text(path, "old")

    def fail_halfway():
        with outputs.replacing(path) as file:
            file.write(b"half of the n")
            raise ZeroDivisionError

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert (path.read_text(), [entry.name for entry in tmp_path.iterdir()]) == ("old", ["report.html"])
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError, match=r"cannot write report\.html") as caught:
        outputs.write_text(path, "new")
    assert caught.value.exit_code == 5
    assert (path.read_text(), [entry.name for entry in tmp_path.iterdir()]) == ("old", ["report.html"])


def test_a_file_has_the_permissions_of_any_new_file_and_keeps_those_it_had(tmp_path):
    path, other = tmp_path / "report.html", tmp_path / "other"
    other.write_text("made as usual")
    outputs.write_text(path, "new")
    assert path.stat().st_mode == other.stat().st_mode
    path.chmod(0o640)
    outputs.write_text(path, "newer")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_folder_of_other_things_is_not_written_into_but_that_of_an_earlier_audit_and_a_new_one(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match="holds other things"):
        outputs.check_writable(tmp_path)
    with pytest.raises(UsageError, match="is a file"):
        outputs.check_writable(tmp_path / "thesis.tex")
    (tmp_path / "STATUS").write_text("complete\n")
    outputs.check_writable(tmp_path)
    outputs.check_writable(tmp_path / "deep" / "new")


def test_an_audit_is_no_place_for_a_comparison_nor_the_other_way_round(tmp_path):
    for facts, other in ((outputs.AUDIT, outputs.COMPARISON), (outputs.COMPARISON, outputs.AUDIT)):
        folder = tmp_path / facts
        folder.mkdir()
        (folder / outputs.STATUS).write_text("complete\n")
        (folder / facts).write_text("{}")
        outputs.check_writable(folder, facts)
        with pytest.raises(UsageError, match="name a new folder"):
            outputs.check_writable(folder, other)


def test_no_string_of_the_machine_survives_scrubbing():
    words = ("--model=/home/someone/secret/ckpt.pt", "~/x/y", "hf:ORG/NAME")
    assert tuple(map(outputs.scrub, words)) == ("--model=ckpt.pt", "y", "hf:ORG/NAME")
