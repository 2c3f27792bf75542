"""A folder that somebody sent holds links: nothing that they name is written, whatever command is given the folder."""

import os
import shutil
import subprocess
import sys

import pytest

import audit
from audit.errors import MachineError, UnsafeError, UsageError
from audit.output.directory import OutputFolder
from audit.output.publish import replacing_files
from audit.output.run_directory import RunDirectory
from strictio.files import Lock
from strictio.folders import Folder
from tests.audit.output.test_manifest import answers
from tests.support.command import command

FILES = ("STATUS", "run.log", ".lock", "results.json", "report.html", "predictions.parquet", "summary.md", "model_card.md", "manifest.json")
FOLDERS = ("tables", ".draft", ".new")


@pytest.fixture
def victim(tmp_path):
    """A folder of the user's with a file in it, and a check that nothing there has changed."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "gaps.csv").write_text("mine")
    (folder / "manifest.json").write_text("{}")
    before = {path: (path.read_bytes(), path.stat()) for path in folder.iterdir()}
    yield folder
    assert {path: (path.read_bytes(), path.stat()) for path in folder.iterdir()} == before


def run(out):
    audit.audit(predictions=answers(60), out=out, draws=99)


@pytest.mark.slow_except("True-.lock", "False-STATUS", "False-.lock")
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("exists", [True, False])
def test_what_a_linked_file_names_is_as_it_was(tmp_path, victim, name, exists):
    out = tmp_path / "o"
    out.mkdir()
    (out / "STATUS").write_text("complete\n")
    (out / name).unlink(missing_ok=True)
    (out / name).symlink_to(victim / "gaps.csv" if exists else tmp_path / "new")
    if name == "STATUS" and not exists:  # not the folder of an audit
        with pytest.raises(UsageError, match="holds other things"):
            run(out)
    elif name == ".lock":
        with pytest.raises(UnsafeError, match=r"\.lock is a link"):
            run(out)
    else:
        run(out)
        assert audit.load(out).verdict == "disparity"
        assert not (out / name).is_symlink()
        assert (out / "STATUS").read_text() == "complete\n"
    assert not (tmp_path / "new").exists()


def test_a_second_name_of_a_file_is_no_way_to_write_to_it_either(tmp_path):
    out, mine = tmp_path / "o", tmp_path / "mine"
    out.mkdir()
    mine.write_text("mine")
    for name in ("STATUS", "run.log", ".lock", "report.html"):
        os.link(mine, out / name)
    run(out)
    assert (mine.read_text(), mine.stat().st_nlink) == ("mine", 1)


@pytest.mark.slow_except("tables")
@pytest.mark.parametrize("name", FOLDERS)
def test_no_file_goes_into_a_linked_folder(tmp_path, victim, name):
    out = tmp_path / "o"
    out.mkdir()
    (out / "STATUS").write_text("complete\n")
    (out / name).symlink_to(victim)
    run(out)
    assert audit.load(out).verdict == "disparity"
    assert not (out / name).is_symlink()


def test_the_folder_beside_that_new_files_go_through_may_be_no_link(tmp_path, victim):
    run(tmp_path / "o")
    (tmp_path / ".o.new").symlink_to(victim)
    run(tmp_path / "o")
    assert audit.load(tmp_path / "o").verdict == "disparity"


@pytest.mark.slow
def test_a_link_that_the_user_names_is_followed_and_stays(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "o").symlink_to(tmp_path / "disk")
    run(tmp_path / "o")
    run(tmp_path / "o")
    assert (tmp_path / "o").is_symlink()
    assert {path.name for path in tmp_path.iterdir()} == {"o", "disk"}
    assert (tmp_path / "disk" / "report.html").is_file()


def test_a_folder_that_is_swapped_for_a_link_meanwhile_does_not_lead_out(tmp_path, victim):
    out = tmp_path / "o"

    def swap(path, aside):
        path.rename(aside)
        path.symlink_to(victim)

    def swap_all():
        with RunDirectory(out) as taken, replacing_files(taken.open()) as draft:
            draft.write("results.json", b"{}")
            swap(out, tmp_path / "aside")

    def swap_draft():
        with replacing_files(OutputFolder(out, make=True)) as draft:
            swap(out / ".draft", out / "aside")
            draft.write("gaps.csv", b"theirs")  # goes into the folder that was opened

    with pytest.raises(UnsafeError, match="o is a link"):
        swap_all()
    out.unlink()
    with pytest.raises(MachineError, match="cannot replace the files"):
        swap_draft()
    assert (out / "aside" / "gaps.csv").read_bytes() == b"theirs"


@pytest.mark.slow
def test_compare_render_and_pictures_follow_no_link_either(tmp_path, victim, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        run(tmp_path / name)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "STATUS").write_text("complete\n")
    for place in ("c/comparison.html", "c/run.log", "a/figures"):
        (tmp_path / place).unlink(missing_ok=True)
        (tmp_path / place).symlink_to(victim if place == "a/figures" else victim / "gaps.csv")
    assert command("a", "b", "--out", "c", module="audit.compare").returncode == 0
    (tmp_path / "a" / "report.html").unlink()
    (tmp_path / "a" / "report.html").symlink_to(victim / "gaps.csv")
    assert command("a", module="reports.render").returncode == 0
    done = command("a", module="reports.figures")
    assert (done.returncode, "figures is a link" in done.stderr) == (4, True), done.stderr


@pytest.mark.slow
def test_a_cache_follows_no_link_below_its_folder(tmp_path, victim, faces, short, checkpoint, monkeypatch):
    victim.chmod(0o700)
    cache = tmp_path / "cache"
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(cache))
    words = ("--model", checkpoint, "--probe", short, "--data", faces)
    assert command(*words, "--out", tmp_path / "o").returncode == 0
    [model] = [path for path in cache.iterdir() if len(path.name) == 32]
    for place in (model / "image", model):
        shutil.rmtree(place)
        place.symlink_to(victim)
        done = command(*words, "--out", tmp_path / "o")
        assert (done.returncode, "is a link" in done.stderr) == (4, True), done.stderr
        place.unlink()
        place.mkdir(mode=0o700)


def test_a_lock_is_held_once_and_never_through_a_removed_name(tmp_path):
    folder = Folder.of(tmp_path)
    with Lock(folder, ".lock"):
        with pytest.raises(BlockingIOError):
            Lock(folder, ".lock")
        code = "import sys\nfrom pathlib import Path\nfrom strictio.files import Lock\nfrom strictio.folders import Folder\n"
        line = [sys.executable, "-c", f"{code}Lock(Folder.of(Path(sys.argv[1])), '.lock')", str(tmp_path)]
        assert "BlockingIOError" in subprocess.run(line, capture_output=True, text=True, check=False, cwd=audit.__path__[0] + "/..").stderr
    assert list(tmp_path.iterdir()) == []
    Lock(folder, ".lock").release()


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/../../b", ""])
def test_a_name_below_a_folder_leads_nowhere_else(tmp_path, name):
    with pytest.raises(ValueError, match="not a name below a folder"):
        Folder.of(tmp_path).write(name, b"")


def test_a_pipe_among_the_files_holds_nothing_up(tmp_path):
    out = tmp_path / "o"
    out.mkdir()
    (out / "STATUS").write_text("complete\n")
    for name in ("run.log", "report.html"):
        os.mkfifo(out / name)
    run(out)
    assert (out / "report.html").is_file()
    os.mkfifo(tmp_path / "log.jsonl")
    with pytest.raises(OSError, match=r"regular file|No such device"):
        Folder.of(tmp_path).append("log.jsonl")
