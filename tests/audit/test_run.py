"""The command from outside: exit codes, words, files."""

import json
import os
from pathlib import Path

import pytest

from tests.support.command import command, process
from tests.support.tiny import write_checkpoint, write_faces, write_probe


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("model") / "ckpt.pt")


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    return write_faces(tmp_path_factory.mktemp("fairface"))


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> Path:
    return write_probe(tmp_path_factory.mktemp("probe") / "short.py")


# ---- words without work --------------------------------------------------------------------------------------------------------------


def test_list_probes_names_both():
    assert {line.split()[0] for line in process("--list-probes").stdout.splitlines()} == {"emoji", "fairface"}


# ---- bad input -----------------------------------------------------------------------------------------------------------------------


def refused(done, code, *said):
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for words in said:
        assert words in done.stderr, done.stderr


def test_an_unknown_flag_gets_its_nearest():
    refused(command("--modle", "x"), 2, "--modle", "did you mean --model")


def test_an_unknown_probe_gets_its_nearest():
    refused(command("--model", "x.pt", "--probe", "fairfase"), 2, "fairfase", "did you mean fairface")


def test_a_missing_flag_is_named():
    refused(command("--probe", "fairface"), 2, "--model is missing")


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_bad_number_is_a_usage_error(value):
    refused(command("--model", "x", "--probe", "emoji", "--limit", value), 2, "--limit")


def test_a_malformed_model_spec_says_which_forms_exist(tmp_path):
    refused(command("--model", "hf:", "--probe", "emoji", cwd=tmp_path), 2, "hf:", "ckpt.pt")


def test_a_missing_checkpoint_is_named(tmp_path):
    refused(command("--model", "absent.pt", "--probe", "emoji", cwd=tmp_path), 3, "absent.pt")
    assert not (tmp_path / "audits").exists()


def test_a_file_that_is_no_checkpoint_is_named(tmp_path, faces):
    (tmp_path / "page.pt").write_text("<!DOCTYPE html><html></html>")
    (tmp_path / "empty.pt").touch()

    refused(command("--model", "page.pt", "--probe", "fairface", "--data", faces, cwd=tmp_path), 3, "page.pt", "HTML")
    refused(command("--model", "empty.pt", "--probe", "fairface", "--data", faces, cwd=tmp_path), 3, "empty.pt", "empty")


def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path, faces):
    import torch

    canary = tmp_path / "CANARY"
    torch.save({"state_dict": {"w": torch.zeros(1)}, "args": Touch(canary)}, tmp_path / "evil.pt")

    refused(command("--model", "evil.pt", "--probe", "fairface", "--data", faces, cwd=tmp_path), 4, "evil.pt", "posix.system")
    assert not canary.exists()


class Touch:
    """Unpickling this would create the file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        import os

        return os.system, (f"touch '{self.path}'",)


def test_missing_data_is_named(tmp_path, checkpoint):
    refused(command("--model", checkpoint, "--probe", "fairface", "--data", "nowhere", cwd=tmp_path), 3, "nowhere")
    # Data are looked at before weights, which may take minutes: both are missing here.
    refused(command("--model", "missing.pt", "--probe", "fairface", "--data", "nowhere", cwd=tmp_path), 3, "nowhere")


def test_a_missing_column_names_what_was_found(tmp_path, checkpoint):
    (tmp_path / "labels.csv").write_text("file,age,sex,race\nval/1.jpg,0-2,Male,White\n")

    refused(command("--model", checkpoint, "--probe", "fairface", "--data", "labels.csv", cwd=tmp_path), 3, "gender", "sex")


def test_an_empty_table_is_bad_data(tmp_path, checkpoint):
    (tmp_path / "labels.csv").write_text("file,age,gender,race\n")
    (tmp_path / "nothing.csv").touch()

    for name in ("labels.csv", "nothing.csv"):
        refused(command("--model", checkpoint, "--probe", "fairface", "--data", name, cwd=tmp_path), 3, name)


def test_no_readable_image_is_bad_data_and_leaves_no_report(tmp_path, checkpoint):
    (tmp_path / "val").mkdir()
    lines = ["file,age,gender,race"]
    for number in range(3):
        (tmp_path / "val" / f"{number}.jpg").write_text("not an image")
        lines.append(f"val/{number}.jpg,0-2,Male,White")
    (tmp_path / "labels.csv").write_text("\n".join(lines))

    refused(command("--model", checkpoint, "--probe", "fairface", "--data", "labels.csv", "--out", "out", cwd=tmp_path), 3, "val/0.jpg")
    assert not (tmp_path / "out" / "report.html").exists()
    assert (tmp_path / "out" / "STATUS").read_text() == "failed\n"


def test_an_unreachable_hub_says_how_to_do_without(tmp_path, checkpoint, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))

    refused(process("--model", checkpoint, "--probe", "fairface", cwd=tmp_path), 5, "HuggingFaceM4/FairFace", "CC BY 4.0", "--data")


def test_an_outside_exception_is_a_defect_not_a_finding(tmp_path, checkpoint):
    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\nfrom probes.emoji import PROBE as E\n"
        "def load(options): raise ZeroDivisionError\nPROBE = replace(E, load=load)\n"
    )

    refused(command("--model", checkpoint, "--probe", "mine.py", cwd=tmp_path), 70, "internal error", "ZeroDivisionError")


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


def test_a_run_leaves_every_file_and_prints_the_report_last(done):
    cwd, ((run, _), _) = done

    names = {"report.html", "results.json", "predictions.parquet", "summary.md", "model_card.md", "tables", "run.log", "STATUS"}
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


def test_two_models_and_two_probes_make_one_report(tmp_path, checkpoint, faces, short):
    other = write_probe(tmp_path / "other.py")
    words = ("--probe", short, "--probe", other, "--data", faces, "--model", checkpoint, "--model", checkpoint)
    run = command(*words, "--out", "out", cwd=tmp_path)

    assert run.returncode == 0, run.stderr
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [audit["probe"]["name"] for audit in results["audits"]] == ["short", "other"] * 2


def test_a_limited_run_says_so(tmp_path, checkpoint, faces, short):
    run = command("--model", checkpoint, "--probe", short, "--data", faces, "--limit", "20", "--out", "out", cwd=tmp_path)

    assert run.returncode == 0, run.stderr
    audit = json.loads((tmp_path / "out" / "results.json").read_text())["audits"][0]
    assert audit["data"]["used"] == 20
    assert audit["verdict"] == "inconclusive"
    assert "LIMITED RUN" in (tmp_path / "out" / "report.html").read_text()


def test_a_limited_run_passes_no_gate(tmp_path, checkpoint, faces, short):
    gate = ("--fail-on", "gap[gender.accuracy by race] > 0.99", "--junit", "gates.xml")
    words = ("--model", checkpoint, "--probe", short, "--data", faces, "--limit", "20", "--out", "out", *gate)
    run = command(*words, cwd=tmp_path)

    assert run.returncode == 1, run.stderr
    assert "so the command exits with 1; run it without --limit." in " ".join(run.stdout.split())
    assert '<failure message="inconclusive: LIMITED RUN' in (tmp_path / "gates.xml").read_text()


def test_flags_take_underscores_too(tmp_path, checkpoint, faces, short):
    run = command("--model", checkpoint, "--probe", short, "--data", faces, "--min_group_size=10", "--out", "out", cwd=tmp_path)

    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "out" / "results.json").read_text())["settings"]["min_group_size"] == 10


OUT_OF_RANGE = [["--alpha", "0"], ["--alpha", "0.5"], ["--tolerance", "-0.1"], ["--limit", "abc"], ["--max-skip", "nan"]]


@pytest.mark.parametrize("flags", OUT_OF_RANGE)
def test_a_number_out_of_range_is_a_usage_error_in_words(flags):
    done = command("--model", "x", "--probe", "emoji", *flags)
    refused(done, 2, flags[0])
    assert "_" not in done.stderr.split("error[E2]")[1].splitlines()[0].replace(flags[0], "")


def test_a_directory_that_cannot_be_made_is_the_machines_fault(checkpoint):
    refused(command("--model", checkpoint, "--probe", "emoji", "--out", "/proc/nowhere/out"), 5, "--out")


def test_a_second_audit_into_the_same_directory_is_refused(tmp_path, checkpoint):
    from filelock import FileLock

    out = tmp_path / "out"
    out.mkdir()
    (out / "STATUS").write_text("running\n")
    with FileLock(out / ".lock"):
        refused(command("--model", checkpoint, "--probe", "emoji", "--out", out), 5, "another audit is writing")


def test_a_failed_rerun_keeps_the_report_and_says_whose_it_is(tmp_path, checkpoint, faces, short):
    first = command("--model", checkpoint, "--probe", short, "--data", faces, "--out", "out", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    before = (tmp_path / "out" / "report.html").read_bytes()
    write_probe(tmp_path / "mine.py", "paired=(PairedClaim('absent', 'gender', 'man', 'woman', ('age',), 'age'),)")

    again = command("--model", checkpoint, "--probe", "mine.py", "--data", faces, "--out", "out", cwd=tmp_path)

    assert again.returncode not in (0, 1)
    assert "the audit in out is replaced once this one is complete" in again.stderr
    assert "is replaced" not in first.stderr
    assert (tmp_path / "out" / "report.html").read_bytes() == before
    assert (tmp_path / "out" / "STATUS").read_text().startswith("failed\nthe other files are of an earlier")
