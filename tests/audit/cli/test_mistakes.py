"""What people mistype, and the way out that they are told: through the commands."""

import json

import pytest

from audit.__main__ import main
from audit.errors import UsageError
from audit.options.audits import AuditRequest


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "answers.csv").write_text("id,region,light,y_true,y_pred\n1,north,day,a,a\n")
    (tmp_path / "own.csv").write_text("photo,age\n1.png,20\n")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))


RUN = ["run", "--predictions", "answers.csv"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([*RUN, "--tolerance", "5"], 2, "such as 0.2, 20 % or 20 points (5 % is 0.05) (--tolerance)"),
        ([*RUN, "--attributes", "region", "light"], 2, "fix: separate names by commas: --attributes region,light\n"),
        ([*RUN, "--attributes=region", "light", "--quiet"], 2, "fix: separate names by commas: --attributes=region,light\n"),
        ([*RUN, "--fail-on", "gap"], 2, "write it in quotation marks: 'gap["),  # unquoted, `gap>0.1` names a file for the shell
        (["run", "--predictions", "answer.csv"], 3, "fix: did you mean answers.csv?"),
        (["run", "--predictions", "nothing.like"], 3, "fix: give a table with one row per prediction"),
        (["run", "--model", "config.json", "--probe", "emoji"], 3, "fix: name the folder of the model, ."),
        pytest.param(
            ["run", "--model", "m.pt", "--probe", "zeroshot", "--data", "own.csv"],
            3,
            "fix: --image-column photo, or name it one of",
            marks=pytest.mark.extension("capability"),
        ),
        (["export"], 2, "error[E2] the following arguments are required: CKPT, OUT, --to\nfix: "),
        (["pictures"], 2, "error[E2] the following arguments are required: DIR\nfix: vlm-audit pictures --help\n"),
        (["export", "none.pt", "out", "--to", "transformers"], 3, "none.pt"),  # the same as huggingface
    ],
)
def test_a_mistake_has_a_way_out(words, code, said, capsys):
    try:
        ended = main(words)
    except SystemExit as stop:
        ended = stop.code
    printed = " ".join(capsys.readouterr().err.split(" "))
    assert (ended, said in printed) == (code, True), printed
    assert "usage:" not in printed


def test_invalid_values_are_listed_together(capsys):
    assert main([*RUN, "--alpha", "7", "--seed", "x"]) == 2
    printed = capsys.readouterr().err
    assert "invalid alpha '7': expected 0.0001 ≤ x < 0.5, such as 0.05 or 5 % (--alpha)" in printed
    assert "invalid seed 'x': expected a whole number (--seed)" in printed


LONG = "x" * 5000
MODEL = ["run", "--model", "m.pt", "--probe", "zeroshot"]


@pytest.mark.parametrize(
    "words",
    [
        *([*MODEL, "--data", value] for value in (LONG, f"hf:{LONG}", f"hf:org/{LONG}", f"file:///{LONG}", f"{{0..1}}{LONG}.tar")),
        *(
            ["run", "--model", value, "--probe", "zeroshot", "--data", "own.csv"]
            for value in (f"{LONG}.pt", f"onnx:{LONG}", f"{LONG}.py:C")
        ),
        ["run", "--model", "m.pt", "--probe", f"{LONG}.py"],
        *([*RUN, flag, LONG] for flag in ("--predictions", "--out", "--junit", "--exclude")),
        *([name, LONG] for name in ("render", "index", "pack", "compare", "logs", "plan", "train", "new-probe")),
    ],
    ids=lambda words: "-".join(words).replace(LONG, "LONG"),
)
def test_a_name_that_no_file_can_have_is_a_mistake(words, capsys):
    try:
        ended = main(words)
    except SystemExit as stop:
        ended = stop.code
    printed = capsys.readouterr().err
    assert ended in (2, 3), printed
    assert "error" in printed
    assert "defect" not in printed


@pytest.mark.parametrize(
    "options",
    [{"data": LONG}, {"data": f"hf:{LONG}"}, {"model": f"{LONG}.pt"}, {"probe": f"{LONG}.py"}, {"exclude": LONG}],
    ids=lambda options: "-".join(options),
)
def test_nor_is_it_an_error_of_the_system_in_python(options):
    with pytest.raises(UsageError, match="of at most 255 bytes"):
        AuditRequest(**{"model": "m.pt", "probe": "zeroshot"} | options)
