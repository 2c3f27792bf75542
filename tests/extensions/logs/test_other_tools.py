"""lmms-eval, VLMEvalKit, Every Eval Ever, and files with totals only.

lmms-eval's file was saved by the tool's own writer, Every Eval Ever's checked by the package's own schema (`make_logs.py`). VLMEvalKit
cannot be installed from the package registry: its tables are written here as its source describes them.
"""

import json

import openpyxl
import pandas as pd
import pytest

import audit
from audit.errors import DataError, UsageError
from tests.extensions.logs.conftest import MADE, notes, read, rows
from tests.support.planned_replies import N, gender, race, reply, truth

POPE, DATA = MADE / "20261129_101500_samples_pope.jsonl", MADE / "pope.csv"
EEE = MADE / "5f0c_samples.jsonl"


def gaps(**options):
    """Attribute -> verdict and gap of accuracy."""
    result = audit.audit(attributes=("gender", "race"), **options).results.audits[0]
    return {
        finding.attributes[0]: (finding.verdict, finding.gap.value)
        for finding in result.findings
        if finding.metric == "accuracy" and len(finding.attributes) == 1
    }


# ---- lmms-eval -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_lmms_eval_finds_a_planted_difference_after_a_join():
    """Right are 60 of 64 Male and 32 of 64 Female; of A and of B 46 of 64 each."""
    found = gaps(predictions=POPE, scorer="pope_accuracy", join=DATA, on="question_id")
    assert found["gender"] == ("disparity", pytest.approx(28 / 64))
    assert found["race"][1] == 0


def test_lmms_eval_without_a_join_has_no_groups():
    with pytest.raises(DataError, match="has no attribute column"):
        read(POPE, scorer="pope_accuracy")


def test_pope_writes_one_answer_under_five_metrics_of_which_one_must_be_chosen():
    with pytest.raises(UsageError, match="has 5 scorers"):
        read(POPE)


def test_a_join_by_position_needs_a_column_of_true_answers_that_agrees(tmp_path):
    frame = pd.read_csv(DATA, dtype=str)
    by_column = rows(read(POPE, scorer="pope_accuracy", join=DATA, on="doc_id"))
    frame.drop(columns="doc_id").to_csv(tmp_path / "data.csv", index=False)
    with pytest.raises(UsageError, match="cannot be joined by their position alone") as refused:
        read(POPE, scorer="pope_accuracy", join=tmp_path / "data.csv", on="doc_id")
    assert "--truth-column" in refused.value.fix
    file = read(POPE, scorer="pope_accuracy", join=tmp_path / "data.csv", on="doc_id", truth="answer")
    assert {name: row[:2] for name, row in rows(file).items()} == {name: row[:2] for name, row in by_column.items()}
    frame.drop(columns="doc_id").iloc[::-1].to_csv(tmp_path / "data.csv", index=False)
    with pytest.raises(DataError, match=r"\d+ true answers of the log and of data.csv differ"):
        read(POPE, scorer="pope_accuracy", join=tmp_path / "data.csv", on="doc_id", truth="answer")


# ---- VLMEvalKit ----------------------------------------------------------------------------------------------------------------------


def table(path, **columns):
    """A benchmark's table of 128 questions, with the tool's columns."""
    frame = pd.DataFrame(
        {
            "index": range(N), "question": [f"Is the person in picture {i} a doctor?" for i in range(N)],
            "answer": list(map(truth, range(N))), "gender": list(map(gender, range(N))),
            "race": list(map(race, range(N))), "prediction": list(map(reply, range(N))),
        }
        | columns
    )  # fmt: skip
    frame.to_excel(path, index=False) if path.suffix == ".xlsx" else frame.to_csv(path, index=False, sep="\t")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["xlsx", "tsv"])
def test_vlmevalkit_finds_a_planted_difference(tmp_path, ending):
    found = gaps(predictions=table(tmp_path / f"model_faces.{ending}"))
    assert found["gender"] == ("disparity", pytest.approx(28 / 64))
    assert found["race"][1] == 0


def test_letters_become_options_and_other_texts_are_no_answer(tmp_path):
    options = {"A": ["yes"] * N, "B": ["no"] * N, "answer": ["AB"[truth(i) == "no"] for i in range(N)]}
    letters = ["AB"[reply(i) == "no"] for i in range(N)]
    said = [f"({letter})" if i % 2 else f"{letter}." for i, letter in enumerate(letters)]
    said[:4] = ["The answer could be A or B.", "Failed to obtain answer via API.", "C", ""]
    ours = rows(read(table(tmp_path / "m_d.tsv", prediction=said, **options)))
    assert [answer for _, answer, _ in ours.values()][:4] == ["(no answer)", "(error)", "(no answer)", "(no answer)"]
    assert [row[:2] for row in ours.values()][4:] == [(truth(i), reply(i)) for i in range(4, N)]


def test_what_the_tool_extracted_comes_before_the_reply(tmp_path):
    extracted = ["Unknown", *(reply(i).title() for i in range(1, N))]
    path = table(
        tmp_path / "m_d_auxmatch.xlsx", prediction=["?"] * N, extracted=extracted, score=[int(reply(i) == truth(i)) for i in range(N)]
    )
    ours = rows(read(path, prediction="correct"))
    assert [answer for _, answer, _ in ours.values()][:2] == ["(no answer)", "right"]
    assert sum(answer == "right" for _, answer, _ in ours.values()) == 91


def test_hits_judge_and_a_hidden_test_set_has_no_true_answers(tmp_path):
    hits = [int(reply(i) == truth(i)) for i in range(N)]
    ours = rows(read(table(tmp_path / "m_d_result.xlsx", hit=hits), prediction="correct"))
    assert sum(answer == "right" for _, answer, _ in ours.values()) == 92
    assert {truth for truth, _, _ in rows(read(table(tmp_path / "m_hidden.tsv", answer=[""] * N))).values()} == {None}


def test_circular_evaluation_asks_one_question_in_several_rows(tmp_path):
    index = [i % 64 + 1_000_000 * (i // 64) for i in range(N)]
    path = table(tmp_path / "m_d.tsv", index=index)
    with pytest.raises(UsageError, match=r"m_d.tsv has 2 epochs"):
        read(path)
    answers = read(path, epoch="all").answers[0]
    assert (answers.cluster, len(set(answers.predictions.cluster))) == ("sample", 64)
    assert len(rows(read(path, epoch="1"))) == 64


def test_a_pickle_of_the_tool_is_never_opened(tmp_path):
    (tmp_path / "m_d.pkl").write_bytes(b"\x80\x04cposix\nsystem\n")
    with pytest.raises(DataError, match="is not a table"):
        read(tmp_path / "m_d.pkl")


def test_a_table_of_our_own_is_no_log_although_it_has_an_index(tmp_path):
    pd.DataFrame({"index": [1, 2], "y_pred": ["a", "b"], "race": ["A", "B"]}).to_csv(tmp_path / "a.csv", index=False)
    assert len(read(tmp_path / "a.csv").answers[0].predictions.y_pred) == 2


# ---- Every Eval Ever -----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_eval_ever_finds_a_planted_difference():
    """Of img000 no answer was extracted, and img001 has an error: Female are right in 31 of 64, Male in 59."""
    found = gaps(predictions=EEE)
    assert found["gender"] == ("disparity", pytest.approx(28 / 64))
    assert found["race"][1] == pytest.approx(2 / 64)
    file = read(EEE)
    assert file.model == "org/planned"
    assert [answer for _, answer, _ in rows(file).values()][:2] == ["(no answer)", "(error)"]
    assert notes(file)["log_without_answer"] == {"total": 128, "errors": 1, "limits": 0, "silent": 1}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda lines: [*lines, {**lines[0], "evaluation_id": "other"}], DataError, "holds several runs"),
        (lambda lines: [*lines, lines[0]], DataError, "the sample 'img000' occurs twice"),
        (lambda lines: [*lines, {**lines[0], "evaluation_name": "f1"}], UsageError, "has 2 scorers"),
        (lambda lines: [lines[0], {**lines[1], "input": []}], DataError, "line 2: input, metadata and evaluation are objects"),
        (lambda lines: [{key: value for key, value in lines[0].items() if key != "metadata"}] * 1, DataError, "has no attribute column"),
    ],
)
def test_lines_of_several_runs_metrics_or_of_no_group_are_named(tmp_path, change, error, words):
    lines = [json.loads(line) for line in EEE.read_text().splitlines()]
    (tmp_path / "x_samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in change(lines)))
    with pytest.raises(error, match=words):
        read(tmp_path / "x_samples.jsonl")


# ---- totals --------------------------------------------------------------------------------------------------------------------------

TOTALS = {
    "clip_benchmark.json": {
        "dataset": "wds/imagenet1k", "model": "ViT-B-32", "pretrained": "openai", "task": "zeroshot_classification",
        "metrics": {"acc1": 0.63, "acc5": 0.88, "mean_per_class_recall": 0.63}, "language": "en",
    },
    "20261129_results.json": {"results": {"pope": {"pope_accuracy,none": 0.8}}, "configs": {}, "versions": {}},
    "5f0c.json": {"schema_version": "0.3.0", "evaluation_id": "x", "evaluation_results": []},
    "results.jsonl": {"imagenet-zeroshot-val-top1": 0.3, "imagenet-zeroshot-val-top5": 0.5, "epoch": 3},
}  # fmt: skip


@pytest.mark.parametrize("name", TOTALS)
def test_totals_are_refused_with_a_way_to_answers(tmp_path, name):
    (tmp_path / name).write_text(json.dumps(TOTALS[name]) + "\n")
    with pytest.raises(DataError, match="holds totals only") as refused:
        read(tmp_path / name)
    assert refused.value.why == "a total does not say who was answered how"
    assert refused.value.fix


def test_a_workbook_of_the_tool_is_read_with_its_empty_cells(tmp_path):
    """openpyxl as the tool uses it: an empty answer is None."""
    book = openpyxl.Workbook()
    for line in (["index", "question", "answer", "prediction", "gender"], [0, "?", "Yes", None, "F"], [1, "?", "No", "No", "M"]):
        book.active.append(line)
    book.save(tmp_path / "m_d.xlsx")
    assert [row[:2] for row in rows(read(tmp_path / "m_d.xlsx")).values()] == [("Yes", "(no answer)"), ("No", "No")]
