"""The files of a run belong together: whatever fails, and wherever the run is killed, readers find those of one run or say so."""

import errno
import json
import os
import shutil
import signal
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial
from itertools import count
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import audit
from audit.comparison.sides import read
from audit.errors import DataError, MachineError
from audit.output import directory as outputs
from audit.output.directory import OutputFolder
from audit.output.manifest import MANIFEST, NEW
from audit.output.publish import replacing_files, settle
from audit.output.run_directory import RunDirectory
from audit.results import to_json
from reports.read import read_results
from strictio.folders import Folder
from tests.support import comparison_samples
from tests.support.command import command
from tests.support.tiers import TENTH

CALLS = ("fsync", "replace", "rename", "link", "mkdir", "open", "fchmod", "fchown", "unlink", "rmdir")
NOTES = {"notes.txt": "mine", "figures/1.svg": "drawn from it"}
"""What a person keeps in the folder."""
FEWEST = 50
OFTEN = 5
"""After so many faults or kills a run follows that nothing disturbs."""


def answers(wrong):
    """400 answers, of which the group b gets so many wrong."""
    rows = np.arange(400)
    truth = np.where(rows // 2 % 2, "cat", "dog")
    given = np.where((rows % 2 == 1) & (rows < 2 * wrong), "bird", truth)
    return pd.DataFrame({"id": rows.astype(str), "group": np.where(rows % 2, "b", "a"), "y_true": truth, "y_pred": given})


def made(folder, wrong, **options):
    """Return the files of an audit by name, and what `load` finds in them."""
    audit.audit(predictions=answers(wrong), out=folder, draws=99, **options)
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: files[name] for name in ("results.json", "predictions.parquet", "tables/gaps.csv", "summary.md", "report.html")}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The files of an old audit, of two models, and of a new one: some names only one of them has."""
    folder = tmp_path_factory.mktemp("made")
    return {"old": made(folder / "old", 60, attributes=("group",)) | {"model_card-2.md": b"# second\n"}, "new": made(folder / "new", 6)}


def save(directory, files):
    """Write files as a run does."""
    with RunDirectory(directory) as taken, replacing_files(taken.open()) as folder:
        folder.folder("tables", make=True)
        for name, content in files.items():
            with outputs.replacing(name, folder) as file:
                file.write(content)


def saved(directory, base):
    """Return a copy of a folder that a run left, made without waiting for the disk."""
    return shutil.copytree(base, directory)


@pytest.fixture(scope="module")
def base(tmp_path_factory, both):
    save(folder := tmp_path_factory.mktemp("base"), both["old"])
    for name, text in NOTES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def accepted(directory, both):
    """Return whose files every reader finds: old or new, never some of each."""
    text = to_json(audit.load(directory).results).encode()
    [which] = [name for name, files in both.items() if files["results.json"] == text]
    [side] = read(directory)
    assert to_json(side.results).encode() == text
    assert audit.load(directory).predictions().shape[0] == 400
    folder = directory / NEW if (directory / NEW / MANIFEST).is_file() else directory
    for name in json.loads((folder / MANIFEST).read_text())["files"]:
        assert (folder / name).read_bytes() == both[which][name]
    assert (directory / "report.html").read_bytes() in (both["old"]["report.html"], both["new"]["report.html"])
    return which


def shown(directory):
    """Return the files that other programs find, by name, without those that tell of the run and the notes of a person."""
    found = {path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if path.is_file()}
    assert {name: found.pop(name).read_text() for name in NOTES} == NOTES
    hidden = {name for name in found if any(part.startswith(".") for part in name.split("/"))}
    return {name: found[name].read_bytes() for name in found.keys() - hidden - {MANIFEST, "STATUS", "run.log"}}


def is_left(directory, both):
    """Return whether the files of the new run, and of no other, stand in their places, and nothing beside them."""
    hidden = [path for path in directory.rglob(".*") if path.suffix != ".tmp"]
    return shown(directory) == both["new"] and not hidden and not directory.with_name(f".{directory.name}.new").exists()


class Fault:
    """The `number`-th call that changes the disk fails, and with `stays` every one after it."""

    def __init__(self, monkeypatch, number, fails, stays=False):
        self.left, self.fails, self.stays = number, fails, stays
        real = os.fdopen
        for name in CALLS:
            monkeypatch.setattr(os, name, self._counted(getattr(os, name)))
        monkeypatch.setattr(Folder, "exchange", self._counted(Folder.exchange))
        monkeypatch.setattr(
            os,
            "fdopen",
            lambda number, how, **named: real(number, how) if how == "rb" else self._counted_writes(real(number, how, **named)),
        )

    def _counted(self, call):
        def counted(*given, **named):
            self.left -= 1
            if self.left == 0 or (self.stays and self.left < 0):
                self.fails()
            return call(*given, **named)

        return counted

    @contextmanager
    def _counted_writes(self, file):
        with file:
            yield SimpleNamespace(write=self._counted(file.write), flush=file.flush, fileno=file.fileno)


def fails_with(code):
    def fail():
        raise OSError(code, os.strerror(code))

    return fail


each_tenth = pytest.mark.parametrize("step", TENTH)
"""Of the places where something can fail."""


@pytest.fixture(params=["exchanged", "one by one"])
def how(request, monkeypatch):
    """How new files take their places; the second is what a file system without such a call gets."""
    if request.param == "one by one":

        def refused(*_):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

        monkeypatch.setattr(Folder, "exchange", refused)
    return request.param


@pytest.mark.slow_except("one by one-5-False-10", "one by one-28-True-10")
@each_tenth
@pytest.mark.parametrize(("code", "stays"), [(errno.EIO, False), (errno.ENOSPC, True)])
def test_whatever_fails_an_old_or_the_new_audit_is_whole_and_the_next_run_replaces_it(tmp_path, both, base, how, code, stays, step):
    outcomes = []
    for number in count(1, step):
        directory = saved(tmp_path / str(number), base)
        with pytest.MonkeyPatch.context() as patch:
            fault = Fault(patch, number, fails_with(code), stays)
            try:
                save(directory, both["new"])
                error = None
            except MachineError as caught:
                error = caught
        which = accepted(directory, both)
        outcomes.append((which, error is None))
        assert error is not None or which == "new", number  # no wrong success
        check_shown(directory, both, how)
        if error and which == "new":
            settle(OutputFolder(directory))  # as `vlm-audit render` does
            assert (accepted(directory, both), (directory / NEW).exists()) == ("new", False)
        if len(outcomes) % OFTEN == 0:
            save(directory, both["new"])
            assert (accepted(directory, both), is_left(directory, both)) == ("new", True)
            assert (directory / "STATUS").read_text() == "complete\n"
        if fault.left > 0:
            break
    assert number > FEWEST
    assert outcomes[-1] == ("new", True)
    assert {("old", False), ("new", False)} <= set(outcomes)


@pytest.mark.slow
@each_tenth
def test_wherever_a_run_is_killed_an_old_or_the_new_audit_is_whole(tmp_path, both, base, how, step):
    found, mixtures = [], 0
    for number in count(1, step):
        directory = saved(tmp_path / str(number), base)
        child = os.fork()
        if child == 0:
            with pytest.MonkeyPatch.context() as patch:
                Fault(patch, number, lambda: os.kill(os.getpid(), signal.SIGKILL))
                save(directory, both["new"])
            os._exit(0)
        ended = os.waitpid(child, 0)[1]
        found.append(accepted(directory, both))
        mixtures += check_shown(directory, both, how)
        settle(OutputFolder(directory))
        assert accepted(directory, both) == found[-1]
        assert shown(directory) == both[found[-1]]
        assert not (directory / NEW).exists()
        if len(found) % OFTEN == 0:
            save(directory, both["new"])
            assert (accepted(directory, both), is_left(directory, both)) == ("new", True)
        if ended == 0:
            break
    assert number > FEWEST
    assert found == sorted(found, reverse=True)  # old until one moment, new from it on
    assert set(found) == {"old", "new"}
    assert (mixtures > 0) == (how == "one by one")


def check_shown(directory, both, how):
    """Check what other programs find: one run. Where files can only be replaced one by one, a mixture is refused; return whether it was."""
    if shown(directory) in both.values():
        return False
    assert how == "one by one"
    copy = directory.with_name(f"{directory.name}-copied")  # what stands in the folder, without the files that this program reads instead
    shutil.copytree(directory, copy, ignore=shutil.ignore_patterns(".*"))
    for attempt in (audit.load, read, read_results):
        with pytest.raises(DataError, match=r"is not the one that this run wrote|does not belong to these results"):
            attempt(copy)
    return True


def test_files_of_two_runs_are_refused_by_name(tmp_path, both):
    save(tmp_path / "out", both["new"])
    for name in ("results.json", "predictions.parquet", "report.html"):
        out = tmp_path / "out"
        kept = (out / name).read_bytes()
        (out / name).write_bytes(both["old"][name])
        for words, module in (([out, out], "audit.compare"), ([out], "reports.figures")):
            done = command(*words, module=module, cwd=tmp_path)
            assert (done.returncode, name in done.stderr) == (3, True), done.stderr
        with pytest.raises(DataError, match=name):
            audit.load(out)
        done = command(out, module="reports.render")
        if name == "report.html":
            assert (done.returncode, audit.load(out).to_html()) == (0, (out / name).read_text("utf-8"))
        else:
            assert (done.returncode, done.stderr.splitlines()[0]) == (
                3, f"error[E3] {name} is not the one that this run wrote ({out})",
            )  # fmt: skip
            (out / name).write_bytes(kept)
    assert accepted(tmp_path / "out", both) == "new"


def test_a_report_of_other_results_says_how_to_draw_it_again(tmp_path, both):
    save(tmp_path / "out", both["new"])
    (tmp_path / "out" / "report.html").write_bytes(both["old"]["report.html"])
    done = command("out", "out", module="audit.compare", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr == (
        "error[E3] report.html does not belong to these results (out)\nwhy: its sha256 is not that in manifest.json\n"
        "fix: run it again, or vlm-audit render out\n"
    )


@pytest.mark.slow
def test_a_comparison_is_replaced_as_one_too(tmp_path):
    for name, wrong in (("skewed", 60), ("plain", 6)):
        comparison_samples.audit(tmp_path / name, {"b": wrong})
    assert command("skewed", "plain", "--out", "out", module="audit.compare", cwd=tmp_path).returncode == 0
    first = (tmp_path / "out" / "comparison.html").read_bytes()
    assert command("plain", "skewed", "--out", "out", module="audit.compare", cwd=tmp_path).returncode == 0
    assert (tmp_path / "out" / "comparison.html").read_bytes() != first
    audit.load_changes(tmp_path / "out")
    (tmp_path / "out" / "comparison.html").write_bytes(first)
    with pytest.raises(DataError, match=r"comparison\.html does not belong to these results"):
        audit.load_changes(tmp_path / "out")
    assert command("out", module="reports.render", cwd=tmp_path).returncode == 0
    audit.load_changes(tmp_path / "out")


def test_people_may_write_into_summaries_and_keep_other_files(tmp_path, both):
    out = tmp_path / "out"
    save(out, both["old"])
    (out / "summary.md").write_text("as discussed on Monday")
    (out / "notes.txt").write_text("mine")
    assert audit.load(out).verdict == "disparity"
    save(out, both["new"])
    assert (out / "notes.txt").read_text() == "mine"
    assert not (out / "model_card-2.md").exists()  # of the old run, and the new one has none


def test_an_audit_without_a_list_is_read_as_ever(tmp_path, both):
    save(tmp_path / "out", both["old"])
    (tmp_path / "out" / MANIFEST).unlink()
    assert audit.load(tmp_path / "out").verdict == "disparity"
    assert len(read(tmp_path / "out")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"files": {"../outside": "0"}}',
        '{"files": {"tables/../../outside": "0"}}',
        '{"files": {"/etc/passwd": "0"}}',
        "x" * 2**21,
    ],
)
def test_a_list_that_leads_elsewhere_is_refused_and_nothing_is_touched(tmp_path, both, text):
    out = tmp_path / "out"
    save(out, both["old"])
    (tmp_path / "outside").write_text("mine")
    for place in (out, out / NEW):
        place.mkdir(exist_ok=True)
        (place / MANIFEST).write_text(text)
    for attempt in (lambda: audit.load(out), lambda: read(out), lambda: save(out, both["new"])):
        with pytest.raises(DataError, match=r"manifest\.json (is damaged|cannot be read)"):
            attempt()
    assert command("out", module="reports.render", cwd=tmp_path).returncode == 3
    assert (tmp_path / "outside").read_text() == "mine"


@pytest.mark.parametrize("linked", ["summary.md", "tables"])
def test_a_link_among_new_files_is_refused_and_what_it_names_is_as_it_was(tmp_path, both, linked):
    out, mine = tmp_path / "out", tmp_path / "mine"
    save(out, both["old"])
    mine.mkdir()
    (mine / "gaps.csv").write_text("mine")
    (mine / "gaps.csv").chmod(0o600)
    (out / "summary.md").chmod(0o666)
    shutil.copytree(out, tmp_path / "copy")
    shutil.move(tmp_path / "copy", out / NEW)
    shutil.rmtree(out / NEW / "tables") if linked == "tables" else (out / NEW / linked).unlink()
    (out / NEW / linked).symlink_to(mine if linked == "tables" else mine / "gaps.csv")
    done = command("out", module="reports.render", cwd=tmp_path)
    assert (done.returncode, "is not a file of a run" in done.stderr) == (3, True), done.stderr
    assert ((mine / "gaps.csv").stat().st_mode & 0o777, (mine / "gaps.csv").read_text()) == (0o600, "mine")


def _told(writer, stage, done, total):
    os.write(writer, stage[:1].encode())


@pytest.mark.slow
def test_sixty_kills_while_an_audit_writes(tmp_path):
    tables, random = {"old": answers(60), "new": answers(6)}, np.random.default_rng(0)
    held, out = "old", tmp_path / "out"
    facts = {name: made(tmp_path / name, wrong)["results.json"] for name, wrong in (("old", 60), ("new", 6))}
    counts = {name: json.loads(text)["audits"][0]["measurements"][0]["answer_counts"] for name, text in facts.items()}
    audit.audit(predictions=tables[held], out=out, draws=99)
    found = Counter()
    for _ in range(60):
        other = "new" if held == "old" else "old"
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            audit.audit(predictions=tables[other], out=out, draws=99, stages=partial(_told, writer))
            os._exit(0)
        os.close(writer)
        while os.read(reader, 1) not in (b"w", b""):
            pass
        time.sleep(random.uniform(0, 0.8))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)
        [side] = read(out)
        assert audit.load(out).predictions().shape[0] == 400
        [which] = [name for name, each in counts.items() if each == side.results.audits[0].measurements[0].answer_counts]
        found["kept" if which == held else "replaced"] += 1
        held = which
    assert min(found["kept"], found["replaced"]) > 0, found
