"""The command from outside: exit codes, words, files."""

import json
import os
from pathlib import Path

import pytest

from tests.support.command import command, process
from tests.support.tiny import write_failing_model, write_probe


def test_list_probes_names_both():
    assert {"emoji", "fairface", "occupations"} <= {line.split()[0] for line in process("--list-probes").stdout.splitlines()}


def refused(done, code, *said):
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for words in said:
        assert words in done.stderr, done.stderr


@pytest.mark.slow_except(
    "--modle x-2-said0",
    "--model x.pt --probe fairfase-2-said1",
    "--probe fairface-2-said2",
    "--model missing.pt --probe fairface --data nowhere-3-said5",
)
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("--modle x", 2, ["--modle", "did you mean --model"]),
        ("--model x.pt --probe fairfase", 2, ["fairfase", "did you mean fairface"]),
        ("--probe fairface", 2, ["--model is missing"]),
        ("--model hf: --probe emoji", 2, ["hf:", "ckpt.pt"]),
        ("--model absent.pt --probe emoji", 3, ["absent.pt"]),
        # Data are looked at before weights, which may take minutes: both are missing here.
        ("--model missing.pt --probe fairface --data nowhere", 3, ["nowhere"]),
    ],
)
def test_what_does_not_exist_is_named(tmp_path, words, code, said):
    refused(command(*words.split(), cwd=tmp_path), code, *said)
    assert not (tmp_path / "audits").exists()


@pytest.mark.parametrize(("name", "content", "said"), [("page.pt", "<!DOCTYPE html><html></html>", "HTML"), ("empty.pt", "", "empty")])
def test_a_file_that_is_no_checkpoint_is_named(tmp_path, faces, name, content, said):
    (tmp_path / name).write_text(content)
    refused(command("--model", name, "--probe", "fairface", "--data", faces, cwd=tmp_path), 3, name, said)


def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path, faces):
    import torch

    canary = tmp_path / "CANARY"

    class Touch:
        """Unpickling this would create the file."""

        def __reduce__(self):
            return os.system, (f"touch '{canary}'",)

    torch.save({"state_dict": {"w": torch.zeros(1)}, "args": Touch()}, tmp_path / "evil.pt")
    refused(command("--model", "evil.pt", "--probe", "fairface", "--data", faces, cwd=tmp_path), 4, "evil.pt", "posix.system")
    assert not canary.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, ["labels.csv"]),  # it does not exist
        ("file,age,sex,race\nval/1.jpg,0-2,Male,White\n", ["gender", "sex"]),
        ("file,age,gender,race\n", ["labels.csv"]),
        ("", ["labels.csv"]),
    ],
)
def test_a_table_without_columns_or_rows_is_bad_data(tmp_path, checkpoint, content, said):
    if content is not None:
        (tmp_path / "labels.csv").write_text(content)
    refused(command("--model", checkpoint, "--probe", "fairface", "--data", "labels.csv", cwd=tmp_path), 3, *said)


def test_no_readable_image_is_bad_data_and_leaves_no_report(tmp_path, checkpoint):
    (tmp_path / "val").mkdir()
    for number in range(3):
        (tmp_path / "val" / f"{number}.jpg").write_text("not an image")
    (tmp_path / "labels.csv").write_text(
        "file,age,gender,race\n" + "".join(f"val/{number}.jpg,0-2,Male,{race}\n" for number, race in enumerate(("White", "Black", "White")))
    )
    refused(command("--model", checkpoint, "--probe", "fairface", "--data", "labels.csv", "--out", "out", cwd=tmp_path), 3, "val/0.jpg")
    assert not (tmp_path / "out" / "report.html").exists()
    assert (tmp_path / "out" / "STATUS").read_text() == "failed\n"


def test_an_unreachable_hub_says_how_to_do_without(tmp_path, checkpoint, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    refused(command("--model", checkpoint, "--probe", "fairface", cwd=tmp_path), 5, "HuggingFaceM4/FairFace", "CC BY 4.0", "--data")


def test_an_outside_exception_is_a_defect_not_a_finding(tmp_path, checkpoint, monkeypatch):
    monkeypatch.setattr("audit.api.inputs.planned_questions", lambda measurements: 1 / 0)
    refused(command("--model", checkpoint, "--probe", "emoji", cwd=tmp_path), 70, "internal error", "ZeroDivisionError")


# ---- a whole run ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def done(tmp_path_factory, checkpoint, faces):
    """Two equal runs, the second over the first one's cache; the first in a process with a secret in its environment."""
    cwd = tmp_path_factory.mktemp("run")
    env = {**os.environ, "AUDIT_CACHE_DIR": str(cwd / "cache"), "HF_TOKEN": "hf_canary", "HF_HUB_OFFLINE": "1"}
    words = ("--model", checkpoint, "--probe", "fairface", "--data", faces, "--out", "out")
    both = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDIT_CACHE_DIR", env["AUDIT_CACHE_DIR"])
        for run in (process(*words, cwd=cwd, env=env), None):
            run = run or command(*words, cwd=cwd)
            assert run.returncode == 0, run.stderr
            both.append((run, (cwd / "out" / "results.json").read_text()))
    return cwd, both


@pytest.mark.slow
def test_a_run_leaves_every_file_and_prints_the_report_last(done):
    cwd, ((run, _), _) = done
    names = {
        "report.html",
        "results.json",
        "predictions.parquet",
        "summary.md",
        "model_card.md",
        "tables",
        "run.log",
        "STATUS",
        "manifest.json",
    }
    assert {path.name for path in (cwd / "out").iterdir()} == names
    assert (cwd / "out" / "STATUS").read_text() == "complete\n"
    assert run.stdout.splitlines()[-1] == str(Path("out", "report.html"))
    assert max(map(len, run.stdout.splitlines())) <= 80


def test_a_second_run_embeds_nothing_and_gives_the_same_bytes_time_stamps_apart(done):
    cwd, ((_, first), (_, second)) = done
    assert "embedded 0 images" in (cwd / "out" / "run.log").read_text()
    first, second = json.loads(first), json.loads(second)
    assert first.pop("timing") != second.pop("timing")
    assert json.dumps(first) == json.dumps(second)


def test_nothing_of_the_machine_is_in_what_is_left_behind(done, checkpoint, faces):
    cwd, _ = done
    for name in ("report.html", "results.json", "summary.md", "model_card.md", "tables/rates.csv", "run.log"):
        text = (cwd / "out" / name).read_text()
        for secret in ("hf_canary", str(cwd), str(faces), str(checkpoint.parent), str(Path.home()) + "/"):
            assert secret not in text, (name, secret)


@pytest.fixture
def audited(tmp_path, checkpoint, faces, short):
    """Return a function that audits the small model with the short probe, and what it gives with the facts that it leaves."""

    def audited(*words, code=0):
        run = command("--model", checkpoint, "--probe", short, "--data", faces, "--out", "out", *words, cwd=tmp_path)
        assert run.returncode == code, run.stderr
        return run, json.loads((tmp_path / "out" / "results.json").read_text())

    return audited


@pytest.mark.slow
def test_two_models_and_two_probes_make_one_report(tmp_path, checkpoint, audited):
    _, results = audited("--probe", write_probe(tmp_path / "other.py"), "--model", checkpoint)
    assert [audit["probe"]["name"] for audit in results["audits"]] == ["short", "other"] * 2


@pytest.mark.slow
def test_a_limited_run_says_so_and_flags_take_underscores_too(tmp_path, audited):
    _, results = audited("--limit", "20", "--min_group_size=10")
    [audit] = results["audits"]
    assert (audit["data"]["used"], audit["verdict"], results["settings"]["min_group_size"]) == (20, "inconclusive", 10)
    assert "LIMITED RUN" in (tmp_path / "out" / "report.html").read_text()


def test_a_limited_run_passes_no_gate(tmp_path, audited):
    gate = ("--fail-on", "gap[gender.accuracy by race] > 0.99", "--junit", "gates.xml")
    run, _ = audited("--limit", "20", *gate, code=1)
    assert "so the command exits with 1; run it on all images." in " ".join(run.stdout.split())
    # Of 20 images no two groups have 30: the gate says that, and fails all the same.
    assert '<failure message="not estimable: ' in (tmp_path / "gates.xml").read_text()


@pytest.mark.parametrize(
    "flags", ["--alpha 0", "--alpha 0.5", "--tolerance -0.1", "--limit 0", "--limit -1", "--limit many", "--max-skip nan"]
)
def test_a_number_out_of_range_is_a_usage_error_in_words(flags):
    flag, value = flags.split()
    done = command("--model", "x", "--probe", "emoji", flag, value)
    refused(done, 2, flag)
    assert "_" not in done.stderr.split("error[E2]")[1].splitlines()[0].replace(flag, "")


def test_a_directory_that_cannot_be_made_is_the_machines_fault(checkpoint):
    refused(command("--model", checkpoint, "--probe", "emoji", "--out", "/proc/nowhere/out"), 5, "--out")


def test_a_second_audit_into_the_same_directory_is_refused(tmp_path, checkpoint):
    from filelock import FileLock

    out = tmp_path / "out"
    out.mkdir()
    (out / "STATUS").write_text("running\n")
    with FileLock(out / ".lock"):
        refused(command("--model", checkpoint, "--probe", "emoji", "--out", out), 5, "another audit is writing")


@pytest.mark.slow
def test_a_failed_rerun_keeps_the_report_and_says_whose_it_is(tmp_path, faces, short, audited):
    first, _ = audited()
    before = (tmp_path / "out" / "report.html").read_bytes()
    write_failing_model(tmp_path / "mine.py")
    again = command("--model", "mine.py:Failing", "--probe", short, "--data", faces, "--out", "out", cwd=tmp_path)
    assert again.returncode not in (0, 1)
    assert "the audit in out is replaced once this one is complete" in again.stderr
    assert "is replaced" not in first.stderr
    assert (tmp_path / "out" / "report.html").read_bytes() == before
    assert (tmp_path / "out" / "STATUS").read_text().startswith("failed\nthe other files are of an earlier")
