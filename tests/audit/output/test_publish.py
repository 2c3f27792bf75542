"""A new run takes the place of an old one in a folder that stays the same: for a person's notes, a shell that is in it, a mount, a link."""

import errno
import os
import subprocess
import time
from pathlib import Path

import pytest

from audit.errors import MachineError, UsageError
from audit.output.directory import OutputFolder
from audit.output.publish import replacing_files, settle
from audit.output.run_directory import RunDirectory
from strictio.files import Lock, replacing
from strictio.folders import STALE_S, Folder
from tests.support.command import command


class Stopped(BaseException):
    """In the place of a kill."""


def run(out, text="new", **more):
    """Write files as a run does."""
    with RunDirectory(out) as taken, replacing_files(taken.open()) as draft:
        draft.write("results.json", text.encode())
        draft.folder("tables", make=True).write("gaps.csv", text.encode())
        for name, content in more.items():
            draft.write(name, content)


def shown(out):
    return {path.relative_to(out).as_posix(): path.read_text() for path in sorted(out.rglob("*")) if path.is_file()}


@pytest.fixture
def out(tmp_path):
    """The folder of an old run, with notes of a person and a table that they edited."""
    folder = tmp_path / "o"
    run(folder, "old", extra=b"only of the old one")
    (folder / "notes").mkdir()
    (folder / "notes" / "monday.txt").write_text("mine")
    (folder / "tables" / "mine.csv").write_text("mine")
    return folder


@pytest.fixture
def between(out, monkeypatch):
    """Leave the folder as a kill between both exchanges does: the stand-in has its name."""
    real, calls = Folder.exchange, []

    def exchange(folder, *names):
        calls.append(names)
        if len(calls) == 2:
            raise Stopped
        real(folder, *names)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "exchange", exchange)
        with pytest.raises(Stopped):
            run(out)
    return out


def test_the_folder_is_the_same_afterwards_and_so_are_notes(out):
    before = out.stat()
    held = Folder.of(out)
    run(out)
    assert (out.stat().st_ino, out.stat().st_mode, held.is_removed) == (before.st_ino, before.st_mode, False)
    found = shown(out)
    assert {name: found[name] for name in ("results.json", "tables/gaps.csv", "notes/monday.txt", "tables/mine.csv")} == {
        "results.json": "new", "tables/gaps.csv": "new", "notes/monday.txt": "mine", "tables/mine.csv": "mine",
    }  # fmt: skip
    assert "extra" not in found
    assert [path.name for path in out.parent.iterdir()] == ["o"]


def test_between_the_exchanges_every_program_finds_the_new_run_and_the_notes(between):
    found = shown(between)
    assert (found["results.json"], found["tables/gaps.csv"], found["notes/monday.txt"], found["tables/mine.csv"]) == (
        "new", "new", "mine", "mine",
    )  # fmt: skip
    settle(OutputFolder(between))
    assert {name: text for name, text in shown(between).items() if name in found} == found
    assert [path.name for path in between.parent.iterdir()] == ["o"]


def test_what_a_person_writes_between_the_exchanges_stays(between):
    (between / "notes" / "tuesday.txt").write_text("written meanwhile")
    (between / "notes" / "monday.txt").write_text("changed in place")
    (between / "tables" / "mine.csv").unlink()
    (between / "tables" / "mine.csv").write_text("replaced")
    (between / "figures").mkdir()
    (between / "figures" / "1.svg").write_text("drawn")
    expected = shown(between)
    run(between, "newest")
    found = shown(between)
    for name in ("notes/tuesday.txt", "notes/monday.txt", "tables/mine.csv", "figures/1.svg"):
        assert found[name] == expected[name]
    assert (found["results.json"], found["STATUS"]) == ("newest", "complete\n")
    assert [path.name for path in between.parent.iterdir()] == ["o"]


def test_a_stand_in_of_a_run_that_was_killed_while_it_was_made_changes_nothing(out, monkeypatch):
    def stopped(*_):
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "exchange", stopped)
        with pytest.raises(Stopped):
            run(out)
    assert shown(out)["results.json"] == "old"
    (out / "notes" / "monday.txt").unlink()
    (out / "notes" / "monday.txt").write_text("changed since")
    settle(OutputFolder(out))
    assert (shown(out)["results.json"], shown(out)["notes/monday.txt"]) == ("new", "changed since")
    assert [path.name for path in out.parent.iterdir()] == ["o"]


def test_the_folder_that_one_is_in_is_a_place_for_a_run(out, monkeypatch):
    monkeypatch.chdir(out)
    run(Path())
    assert Path("results.json").read_text() == "new"
    assert Path.cwd() == out


def test_a_mount_point_gets_its_files_one_by_one(tmp_path):
    folder = tmp_path / "o"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        run(folder, "old")
        run(folder)
        assert shown(folder)["results.json"] == "new"
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        rows = [f"{i},{'ab'[i % 2]},cat,cat" for i in range(40)]
        (tmp_path / "p.csv").write_text("\n".join(["id,group,y_true,y_pred", *rows]) + "\n")
        done = command("--predictions", "p.csv", "--out", "o", cwd=tmp_path)
        assert (done.returncode, "Traceback" in done.stderr) == (5, False), done.stderr
    finally:
        subprocess.run(["umount", folder], check=True)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_folder_that_is_removed_meanwhile_is_the_machines_fault(out):
    def removed():
        with RunDirectory(out) as taken, replacing_files(taken.open()) as draft:
            draft.write("results.json", b"{}")
            taken.folder.above.remove("o")

    with pytest.raises(MachineError, match=r"cannot replace the files|cannot write"):
        removed()
    run(out)
    assert shown(out)["results.json"] == "new"


@pytest.mark.parametrize("turned", [-10 * STALE_S, 10 * STALE_S])
def test_a_clock_that_is_turned_spares_what_is_written_and_clears_what_is_left(tmp_path, turned):
    path = tmp_path / "report.html"
    left = tmp_path / ".report.html.0123.tmp"
    left.write_text("of a process that was killed")
    os.utime(left, (time.time() + turned,) * 2)
    with replacing(path) as file:
        assert not left.exists()
        [draft] = tmp_path.iterdir()
        os.utime(draft, (time.time() + turned,) * 2)
        Folder.of(tmp_path).remove_stale()  # as another process does
        assert draft.exists()
        file.write(b"whole")
    assert path.read_text() == "whole"


def test_a_lock_of_a_process_that_was_killed_holds_nobody_up_whatever_the_clock_says(out):
    (out / ".lock").touch()
    os.utime(out / ".lock", (time.time() + 10 * STALE_S,) * 2)
    run(out)
    with Lock(Folder.of(out), ".lock"), pytest.raises(MachineError, match="another audit is writing"):
        run(out)


def test_a_system_that_cannot_exchange_says_so(monkeypatch, out):
    monkeypatch.setattr("strictio.folders.sys.platform", "elsewhere")
    with pytest.raises(OSError, match=os.strerror(errno.ENOSYS)):
        Folder.of(out.parent).exchange("o", "p")
    run(out)
    assert shown(out)["results.json"] == "new"


def test_a_folder_named_by_its_root_is_refused():
    with pytest.raises(UsageError, match="name a folder below it"):
        OutputFolder(Path("/"))
