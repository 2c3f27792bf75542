"""Rows F20 to F24: links in an output folder, closed streams, files of two runs, a terminal that is gone, and many audits at once."""

import json
import shutil
import signal
import subprocess

import pytest

from audit.extensions.cache.housekeeping import verify_cache
from tests.acceptance.test_f_faults import facts, first_shard, some, until
from tests.support.forked import Forked
from tests.support.slow_encoder import write_encoder, write_noise
from tests.support.tiers import first

EACH_ITS_WAY = ("STATUS", "run.log", "report.html")
"""Written at once, line by line, and with the other results."""


@pytest.mark.slow_except("run.log")
@pytest.mark.parametrize("name", first(EACH_ITS_WAY, of=[*EACH_ITS_WAY, "results.json", "summary.md"]))
def test_f20_what_a_link_in_the_output_folder_names_is_not_written(bench, table, name):
    victim = bench.home / "victim"
    victim.write_text("mine")
    (bench.out / name).unlink(missing_ok=True)
    (bench.out / name).symlink_to(victim)
    bench.report.pop(name, None)
    bench.run("--predictions", table("answers", "id,group,y_true,y_pred", [f"{i},{'ab'[i % 2]},cat,cat" for i in range(80)]))
    assert victim.read_text() == "mine"
    assert not (bench.out / name).is_symlink()


def test_f20_nor_goes_a_file_into_a_folder_that_one_links_to(bench, table):
    victim = bench.home / "victim"
    victim.mkdir()
    shutil.rmtree(bench.out / "tables")
    (bench.out / "tables").symlink_to(victim)
    bench.run("--predictions", table("answers", "id,group,y_true,y_pred", [f"{i},{'ab'[i % 2]},cat,cat" for i in range(80)]))
    assert list(victim.iterdir()) == []


@pytest.mark.slow  # tests/audit/cli/test_closed_streams.py closes them in a forked process
@pytest.mark.parametrize("closed", ["2>&-", ">&-"])
def test_f21_a_closed_stream_is_as_good_as_quiet(bench, table, closed):
    words = ("--predictions", table("answers", "id,group,y_true,y_pred", [f"{i},{'ab'[i % 2]},cat,cat" for i in range(80)]))
    line = bench.line(*words)
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *line], cwd=bench.folder, env=bench.env(), capture_output=True, text=True, check=False
    )
    bench.held(done)
    assert (bench.out / "STATUS").read_text() == "complete\n"


def test_f22_files_of_two_runs_are_refused_with_the_way_out(bench, table, tmp_path):
    old = shutil.copytree(bench.out, bench.folder / "old")
    bench.run("--predictions", table("answers", "id,group,y_true,y_pred", [f"{i},{'ab'[i % 2]},cat,cat" for i in range(80)]))
    shutil.copy(old / "results.json", bench.out / "results.json")
    bench.report["results.json"] = (old / "results.json").read_bytes()
    for module, words in (("reports.render", [bench.out]), ("reports.figures", [bench.out]), ("audit.compare", [old, bench.out])):
        bench.run(*words, module=module, out=False, code=3, said=["results.json is not the one that this run wrote", "fix: run it again"])
    bench.run(bench.folder, "--out", bench.out.parent / "out" / "index.html", module="audit.extensions.index.command", out=False)
    assert "results.json is not the one that this run wrote" in (bench.out / "index.html").read_text()


UNDER_NOHUP = """
import signal, sys
from audit.run import main
signal.signal(signal.SIGHUP, signal.SIG_IGN)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("nohup", ["in the process", pytest.param("by the command", marks=pytest.mark.slow)])
def test_f23_a_run_under_nohup_goes_on_when_the_terminal_is_closed(bench, inputs, nohup):
    words = (
        "--model",
        write_encoder(bench.folder),
        "--probe",
        inputs / "any.py",
        "--data",
        write_noise(bench.folder, 64),
        "--batch-size",
        8,
    )
    python, _, _, *rest = line = bench.line(*words)
    line, start = (["nohup", *line], subprocess.Popen) if nohup == "by the command" else ([python, "-c", UNDER_NOHUP, *rest], Forked)
    process = start(
        line, cwd=bench.folder, env=bench.env({"SHARD_ROWS": "8", "PAUSE_S": "0.1"}),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = until(process, "embedding")
    first_shard(bench)
    process.send_signal(signal.SIGHUP)
    _, more = process.communicate(timeout=120)
    bench.held(subprocess.CompletedProcess([], process.returncode, "", said + more))
    assert json.loads((bench.out / "results.json").read_text())["status"] == "complete"


@pytest.mark.slow
@pytest.mark.parametrize("audits", some(2, 20))
def test_f24_audits_at_once_on_one_cache_find_the_same_and_spoil_nothing(bench, model, audits):
    outs = [bench.folder / f"out-{number}" for number in range(audits)]
    running = [bench.start(*model, "--out", out, out=False) for out in outs]
    for process in running:
        _, said = process.communicate(timeout=600)
        bench.held(subprocess.CompletedProcess([], process.returncode, "", said))
    assert len({facts(out).replace(out.name, "out") for out in outs}) == 1  # the command names it
    found = verify_cache(bench.cache)
    assert (found.damaged, found.refused, found.sound > 0) == ((), (), True)
    assert not list(bench.cache.rglob("*.tmp"))
