"""lm-eval's sample logs, made by the tool: its traps, its own metrics, and a planted difference from the log to the verdict."""

import gzip
import json

import pytest

import audit
from audit.errors import DataError, UsageError
from tests.extensions.logs.conftest import LM_EVAL, MADE, notes, read, rows


def accuracy(file):
    judged = [truth == answer for truth, answer, _ in rows(file).values()]
    return sum(judged) / len(judged)


@pytest.mark.slow
def test_a_planted_difference_is_found_and_an_even_attribute_is_not(tmp_path):
    """Right are 60 of 64 Male and 32 of 64 Female; of A and of B 46 of 64 each."""
    done = audit.audit(predictions=LM_EVAL["faces_choice"], scorer="acc_norm", attributes=("gender", "race"), independent=True)
    result = done.results.audits[0]
    found = {finding.id: finding for finding in result.findings}
    gender, race = found["predictions/accuracy/gender"], found["predictions/accuracy/race"]
    assert {rate.group[0]: (rate.n, rate.events) for rate in gender.by_group} == {"Female": (64, 32), "Male": (64, 60)}
    assert (gender.verdict, race.gap.value) == ("disparity", 0)
    assert race.verdict != "disparity"
    (origin,) = (note for note in result.data.notes if note.code == "log_read")
    assert origin.values["facts"] == ("task faces_choice", "model planned", "scorer acc_norm", "filter none")


@pytest.mark.parametrize(("task", "metric", "filter_name"), [
    ("faces_choice", "acc", "none"), ("faces_choice", "acc_norm", "none"), ("faces_words", "exact_match", "strict"),
    ("faces_repeats", "exact_match", "vote"),
])  # fmt: skip
def test_accuracy_is_that_of_the_tool(expected, task, metric, filter_name):
    """`expected.json` holds the totals that the tool printed for the same run."""
    file = read(LM_EVAL[task], scorer=metric, filter=filter_name)
    assert accuracy(file) == pytest.approx(expected["lm_eval"][task][f"{metric},{filter_name}"])


def test_likelihoods_per_character_are_other_answers():
    """In pictures 5, 21, … “no way” is likelier per character than “yes”, and less likely as a whole."""
    by_acc, by_norm = (rows(read(LM_EVAL["faces_choice"], scorer=metric)) for metric in ("acc", "acc_norm"))
    differ = [name for name, (_, answer, _) in by_acc.items() if by_norm[name][1] != answer]
    assert differ == [f"img{i:03}" for i in range(128) if i % 16 == 5]
    assert {by_acc[name][1] for name in differ} == {"yes"}


def test_with_two_metrics_one_must_be_chosen():
    with pytest.raises(UsageError, match="has 2 scorers") as refused:
        read(LM_EVAL["faces_choice"])
    assert refused.value.why == "found 'acc', 'acc_norm'"


def test_trap_1_with_two_filters_one_must_be_chosen():
    """Each document stands once per filter: 128 lines are 64 documents."""
    assert len(LM_EVAL["faces_words"].read_text().splitlines()) == 128
    with pytest.raises(UsageError, match="has 2 filters") as refused:
        read(LM_EVAL["faces_words"])
    assert (refused.value.why, refused.value.fix) == ("found 'strict', 'whole'", "choose one: --filter strict")
    file = read(LM_EVAL["faces_words"], filter="strict")
    answers = [answer for _, answer, _ in rows(file).values()]
    assert {label: answers.count(label) for label in sorted(set(answers))}["(no answer)"] == 2  # pictures 9 and 41
    assert notes(file)["log_without_answer"] == {"total": 64, "errors": 0, "limits": 0, "silent": 2}
    with pytest.raises(UsageError, match="no filter 'loose'"):
        read(LM_EVAL["faces_words"], filter="loose")


def test_trap_2_numbers_and_lists_are_text_and_several_targets_are_named():
    line = json.loads(LM_EVAL["faces_gold"].read_text().splitlines()[0])
    assert isinstance(line["filtered_resps"][0][0], str)
    assert isinstance(line["target"], str)
    with pytest.raises(UsageError, match="3 rows with several right answers"):
        read(LM_EVAL["faces_gold"])
    assert {answer for _, answer, _ in rows(read(LM_EVAL["faces_gold"], prediction="correct")).values()} == {"right", "wrong"}


def test_trap_3_a_target_is_a_position_a_text_or_the_position_of_a_context(lines):
    choice = rows(read(LM_EVAL["faces_choice"], scorer="acc"))
    assert {truth for truth, _, _ in choice.values()} == {"yes", "no way"}
    by_text = lines("faces_choice", lambda each: [{**line, "target": ["yes", "no way"][int(line["target"])]} for line in each])
    assert rows(read(by_text, scorer="acc")) == choice
    at_position = lines("faces_context", lambda each: [{**line, "target": str(line["doc"]["label"])} for line in each])
    assert {truth for truth, _, _ in rows(read(at_position)).values()} == {"0", "1"}
    beyond = lines("faces_choice", lambda each: [{**line, "target": "7"} for line in each])
    with pytest.raises(DataError, match="line 1: the target '7' names none of the 2 choices"):
        read(beyond, scorer="acc")


def test_trap_3_a_text_after_contexts_does_not_say_which_is_right(expected):
    """As in Winogrande: the text after both contexts is the same, and is the target."""
    with pytest.raises(DataError, match=r"line 1: the target 'was tired.' names none of the 2 choices"):
        read(LM_EVAL["faces_context"])
    judged = [answer for _, answer, _ in rows(read(LM_EVAL["faces_context"], prediction="correct")).values()]
    assert judged.count("right") / 24 == pytest.approx(expected["lm_eval"]["faces_context"]["acc,none"])


def test_trap_3_a_metric_that_contradicts_the_likelihoods_is_refused(lines):
    path = lines("faces_choice", lambda each: [*each[:4], {**each[4], "acc": 1.0 - each[4]["acc"]}, *each[5:]])
    with pytest.raises(DataError, match="line 5: the metric chose in another way") as refused:
        read(path, scorer="acc")
    assert "acc says" in refused.value.why
    assert len(rows(read(path, scorer="acc", prediction="correct"))) == 128


def test_trap_4_an_identifier_of_the_data_comes_before_the_position(lines):
    assert list(rows(read(LM_EVAL["faces_choice"], scorer="acc")))[:2] == ["img000", "img001"]

    def without_id(each):
        return [{**line, "doc": {key: value for key, value in line["doc"].items() if key != "id"}} for line in each[7:]]

    assert list(rows(read(lines("faces_choice", without_id), scorer="acc")))[:2] == ["7", "8"]


def test_trap_5_a_file_to_which_a_second_run_was_appended_is_refused(lines):
    with pytest.raises(DataError, match="line 129: the sample '0' occurs twice"):
        read(lines("faces_choice", lambda each: each * 2), scorer="acc")


def test_trap_6_of_several_responses_the_filter_chose_one(lines):
    line = json.loads(LM_EVAL["faces_repeats"].read_text().splitlines()[0])
    assert len(line["resps"][0]) == 3
    assert len(rows(read(LM_EVAL["faces_repeats"]))) == 24
    kept = lines("faces_repeats", lambda each: [{**line, "filtered_resps": line["resps"]} for line in each])
    with pytest.raises(DataError, match="line 1: which of 3 responses is the answer"):
        read(kept)


def test_trap_7_a_picture_is_the_text_of_an_object_and_no_group(lines):
    """[source] hf-multimodal writes ``str()`` of a PIL image: each has an address of its own."""

    def picture(line, at):
        return {**line, "doc": {**line["doc"], "image": f"<PIL.PngImagePlugin.PngImageFile image mode=RGB size=8x8 at 0x7F{at:06X}>"}}

    file = read(lines("faces_choice", lambda each: [picture(line, at) for at, line in enumerate(each)]), scorer="acc")
    assert {*file.answers[0].predictions.attributes.columns} == {"gender", "race", "person"}


def test_trap_8_a_corpus_metric_judges_no_single_answer(lines):
    with pytest.raises(UsageError, match="records no answers, only scores"):
        read(LM_EVAL["faces_likelihood"])
    with pytest.raises(UsageError, match="does not say which answers are right") as refused:
        read(LM_EVAL["faces_likelihood"], prediction="correct")
    assert refused.value.fix == "choose another scorer"


def test_values_that_nest_are_named_and_lists_are_left_out():
    file = read(LM_EVAL["faces_choice"], scorer="acc", attributes=("gender", "race"))
    assert notes(file)["unused_columns"] == {"columns": ("'choices'", "'golds'", "'contexts'")}


def test_a_compressed_log_and_one_of_an_older_version_are_read(tmp_path, lines):
    old = lines(
        "faces_choice",
        lambda each: [
            {key: value for key, value in line.items() if key not in ("filter", "metrics", "acc_norm")}
            | {"arguments": [[part["arg_0"], part["arg_1"]] for part in line["arguments"].values()]}
            for line in each
        ],
    )
    expected = rows(read(LM_EVAL["faces_choice"], scorer="acc"))
    assert rows(read(old)) == expected
    packed = tmp_path / "samples.jsonl.gz"
    packed.write_bytes(gzip.compress(LM_EVAL["faces_choice"].read_bytes()))
    assert rows(read(packed, scorer="acc")) == expected


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda line: {**line, "doc": [1]}, "the document is not an object"),
        (lambda line: {**line, "filtered_resps": "x"}, "the responses are not a list"),
        (lambda line: {**line, "arguments": 7}, "the requests cannot be read"),
        (lambda line: {**line, "arguments": {}}, "0 choices have 2 likelihoods"),
        (lambda line: {key: value for key, value in line.items() if key != "target"}, "lacks 'target'"),
    ],
)
def test_a_line_that_the_tool_did_not_write_is_named(lines, change, words):
    with pytest.raises(DataError, match=f"line 2.*{words}"):
        read(lines("faces_choice", lambda each: [each[0], change(each[1]), *each[2:]]), scorer="acc")


def test_totals_are_refused_with_the_way_to_samples():
    path = next(MADE.glob("results_*.json"))
    with pytest.raises(DataError, match="holds totals only") as refused:
        read(path)
    assert "--log_samples" in refused.value.fix


def test_options_of_logs_are_refused_for_tables_and_without_predictions(tmp_path):
    (tmp_path / "a.csv").write_text("race,y_pred\nA,yes\nB,no\n")
    with pytest.raises(UsageError, match=r"--scorer cannot be used with a.csv"):
        read(tmp_path / "a.csv", scorer="acc")
    with pytest.raises(UsageError, match="--epoch cannot be used without --predictions"):
        audit.audit("x", "fairface", epoch="all")
    with pytest.raises(UsageError, match="--truth-column cannot be used with samples_faces_choice"):
        read(LM_EVAL["faces_choice"], scorer="acc", truth="label")
    with pytest.raises(UsageError, match="no column 'pred'") as refused:
        read(LM_EVAL["faces_choice"], scorer="acc", prediction="pred")
    assert refused.value.fix == "answer: what the model answered; correct: whether the scorer judged it right"
    with pytest.raises(UsageError, match="invalid epoch '0'"):
        audit.audit(predictions=LM_EVAL["faces_choice"], epoch="0")
