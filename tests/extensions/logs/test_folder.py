"""``vlm-audit logs DIR``: a command for each log that can be audited, and the reason for each that cannot."""

import json
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest

from audit.__main__ import main
from audit.extensions.logs.folder import Readable, logs_in
from tests.audit.predictions.test_hub_tables import dataset
from tests.extensions.logs.conftest import LM_EVAL, MADE


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of logs, with a space in its name, and files that are no logs."""
    root = tmp_path_factory.mktemp("runs") / "my logs"
    root.mkdir()
    for name in ("people.eval", "epochs.eval", "broken.eval", "texts.eval", "choices.json", "20261129_101500_samples_pope.jsonl"):
        shutil.copy(MADE / name, root / name)
    (root / "lm_eval").mkdir()
    for path in (LM_EVAL["faces_words"], next(MADE.glob("results_*.json"))):
        shutil.copy(path, root / "lm_eval" / path.name)
    dataset().to_parquet(root / "answers.parquet")
    dataset().save_to_disk(root / "saved")
    pd.DataFrame({"a": [1]}).to_csv(root / "other.csv", index=False)
    pd.DataFrame({"a": [1]}).to_parquet(root / "other.parquet")
    (root / "notes.json").write_text('{"a": 1}')
    (root / "damaged.eval").write_bytes(b"PK\3\4")
    (root / "link.eval").symlink_to(MADE / "people.eval")
    return root


@pytest.fixture(scope="module")
def printed(folder):
    from audit.extensions.logs.command import log_lines

    return log_lines(folder)


def commands(printed):
    return [shlex.split(line) for line in printed.splitlines() if line.startswith("  vlm-audit ")]


def test_each_log_has_a_command_with_every_choice_that_it_leaves(folder, printed):
    said = [(words[3].removeprefix(f"{folder}/"), words[4:]) for words in commands(printed)]
    words = f"lm_eval/{LM_EVAL['faces_words'].name}"
    assert said == [
        ("answers.parquet", []), ("choices.json", []), ("epochs.eval", ["--scorer", "match", "--epoch", "all"]),
        ("epochs.eval", ["--scorer", "includes", "--epoch", "all"]), (words, ["--filter", "strict"]),
        ("people.eval", []), ("saved", []), ("texts.eval", ["--prediction-column", "correct"]),
    ]  # fmt: skip
    assert "people.eval: Inspect 0.3.285, task people, model mockllm/model, 128 rows, groups by gender, race, person" in printed


def test_what_cannot_be_audited_is_named_with_the_reason_and_the_way_out(folder, printed):
    _, _, rest = printed.partition("cannot be audited as they are:\n\n")
    blocks = dict(block.split("\n", 1) for block in rest.split("\n\n"))
    assert {name.removeprefix(f"{folder}/").partition("results_")[0] for name in blocks} == {
        "20261129_101500_samples_pope.jsonl", "broken.eval", "damaged.eval", "lm_eval/", f"lm_eval/{LM_EVAL['faces_words'].name}",
    }  # fmt: skip
    assert "--unfinished" in blocks[f"{folder}/broken.eval"]
    assert "has no attribute column" in blocks[f"{folder}/20261129_101500_samples_pope.jsonl"]
    assert "no answer in" in blocks[f"{folder}/lm_eval/{LM_EVAL['faces_words'].name}"]  # as --filter whole
    assert "is cut short" in blocks[f"{folder}/damaged.eval"]


def test_links_and_files_that_are_no_logs_are_passed_over(printed):
    assert not [name for name in ("link.eval", "other.csv", "other.parquet", "notes.json") if name in printed]


def test_a_printed_command_runs(folder, printed, tmp_path, capsys):
    """The path has a space: it is quoted."""
    (words,) = (words for words in commands(printed) if words[3].endswith("people.eval"))
    assert main([*words[1:], "--out", str(tmp_path / "out"), "-q"]) == 0
    assert json.loads((tmp_path / "out" / "results.json").read_text())["audits"][0]["data"]["name"] == "people.eval"
    assert capsys.readouterr().out.endswith("report.html\n")


def test_a_folder_without_logs_and_a_missing_one_say_so(tmp_path, capsys):
    assert main(["logs", str(tmp_path)]) == 3
    assert "no logs of evaluation tools" in capsys.readouterr().err
    assert main(["logs", str(tmp_path / "none")]) == 2
    assert "no folder" in capsys.readouterr().err


def test_a_task_that_is_called_like_a_command_stays_on_its_line(tmp_path, monkeypatch, capsys):
    lines = [json.loads(line) for line in (MADE / "5f0c_samples.jsonl").read_text().splitlines()]
    task = "x\n  vlm-audit run --predictions other"
    (tmp_path / "-x_samples.jsonl").write_text("".join(json.dumps({**line, "evaluation_name": task}) + "\n" for line in lines))
    monkeypatch.chdir(tmp_path)
    (log,) = logs_in(Path())
    assert isinstance(log, Readable)
    assert log.command == "vlm-audit run --predictions ./-x_samples.jsonl"
    assert main(["logs", "."]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("-x_samples.jsonl: Every Eval Ever 0.3.0, task x vlm-audit run --predictions other,")
    assert second == "  vlm-audit run --predictions ./-x_samples.jsonl"
