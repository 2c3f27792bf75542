"""Inspect's logs, made by the tool: its traps, its own reader, and a planted difference from the log to the verdict."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest

import audit
from audit.__main__ import main
from audit.errors import DataError, UnsafeError, UsageError
from strictio.logs.archive import open_archive
from tests.extensions.logs.conftest import MADE, notes, read, rows
from tests.support.page_text import text_of
from tests.support.zips import packed


def members(name):
    """Every member of a log, unpacked."""
    with open_archive(MADE / f"{name}.eval") as archive:
        return {member: archive.bytes_of(member) for member in archive.members}


def changed(tmp_path, name, change, method=93):
    """A log whose members `change` has edited as objects: it gets a name and the object, and returns what takes its place."""
    kept = {member: change(member, json.loads(content)) for member, content in members(name).items()}
    path = tmp_path / f"{name}.eval"
    path.write_bytes(packed({member: json.dumps(value).encode() for member, value in kept.items() if value is not None}, method))
    return path


# ---- a difference between groups -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    return audit.audit(
        predictions=MADE / "people.eval", attributes=("gender", "race"), independent=True, out=tmp_path_factory.mktemp("inspect") / "out"
    )


@pytest.mark.slow
def test_a_planted_difference_is_found_and_an_even_attribute_is_not(audited):
    """Right are 60 of 64 Male and 32 of 64 Female; of A and of B 46 of 64 each."""
    found = {finding.id: finding for finding in audited.results.audits[0].findings}
    gender, race = found["predictions/accuracy/gender"], found["predictions/accuracy/race"]
    assert {rate.group[0]: (rate.n, rate.events) for rate in gender.by_group} == {"Female": (64, 32), "Male": (64, 60)}
    assert gender.verdict == "disparity"
    assert race.gap.value == 0
    assert race.verdict != "disparity"


def test_the_page_says_which_log_task_model_and_scorer_were_read(audited):
    result = audited.results.audits[0]
    assert result.model.name == "mockllm/model"
    assert "Audit of the answers of mockllm/model" in text_of((audited.directory / "report.html").read_text())
    assert result.data.source == "the Inspect 0.3.285 log people.eval"
    (origin,) = (note for note in result.data.notes if note.code == "log_read")
    assert dict(origin.values) == {"tool": "Inspect 0.3.285", "facts": ("task people", "model mockllm/model", "scorer match")}
    assert (
        result.probe.limits[0]
        == "The log says that the model is mockllm/model; whether its images and prompts suit the question was not checked."
    )


def test_trap_10_nothing_of_a_sample_is_kept_but_the_chosen_columns(audited):
    """Prompts, replies, paths and commit ids may stand in a log."""
    table = pd.read_parquet(audited.directory / "predictions.parquet")
    assert {*table.columns} == {"model", "probe", "measurement", "id", "gender", "race", "y_true", "y_pred"}
    words = b"Is the person a doctor?"
    assert words in b"".join(members("people").values())
    assert not [path.name for path in audited.directory.rglob("*") if path.is_file() and words in path.read_bytes()]


# ---- a part of the data set ------------------------------------------------------------------------------------------------------------


LIMITS = {
    "limit 128": {"limit": 128}, "limit 0-128": {"limit": [0, 128]}, "a list of samples": {"sample_id": ["img000", "img001"]},
    "what the log does not state": {},
}  # fmt: skip


def part(tmp_path, config):
    """The log of a run with 128 of 400 samples."""

    def limit(name, value):
        if name == "header.json":
            value["eval"]["dataset"]["samples"] = 400
            value["eval"]["config"] |= config
        return value

    return changed(tmp_path, "people", limit)


@pytest.mark.parametrize("by", LIMITS)
def test_a_log_of_a_part_of_its_data_set_is_a_limited_run(by, tmp_path):
    file = read(part(tmp_path, LIMITS[by]))
    assert file.limited
    assert notes(file)["log_limited"] == {"found": 128, "total": 400, "by": by, "tool": "Inspect 0.3.285"}
    said = read(part(tmp_path, LIMITS[by]), chosen_samples=True)
    assert not said.limited
    assert {"log_chosen_samples"} <= notes(said).keys()
    assert rows(said) == rows(file) == rows(read(MADE / "people.eval"))


def test_a_part_of_the_data_set_settles_nothing_unless_it_is_said_to_be_what_is_judged(tmp_path, capsys):
    words = ["--predictions", str(part(tmp_path, {"limit": 128})), "--attributes", "gender", "--independent", "--fail-on", "gap > 0.9"]
    assert main(["run", *words, "--out", str(tmp_path / "limited")]) == 1
    printed, page = (" ".join(text.split()) for text in (capsys.readouterr().out, text_of((tmp_path / "limited/report.html").read_text())))
    told = "LIMITED: the log holds 128 of the 400 samples of its data set, chosen by limit 128, and nothing shows that they were chosen at"
    for text in (printed, page):
        assert told in text
        assert "say that you judge these samples: --chosen-samples." in text
        assert "A sample of 128 images settles nothing" in text
    assert "All images were used" not in page
    assert main(["run", *words, "--chosen-samples", "--out", str(tmp_path / "said")]) == 0
    printed, page = (" ".join(text.split()) for text in (capsys.readouterr().out, text_of((tmp_path / "said/report.html").read_text())))
    for text in (printed, page):
        assert "Chosen by the person who ran this audit: " in text
        assert "128 of the 400 samples of the data set, by limit 128" in text
        assert "Disparity" in text
    assert "All samples in the log were used." in page


def test_the_tools_own_total_stands_beside_another_share():
    """In failures, 10 of 12 scored samples are right, one of them at a limit; 4 errors are left out by the tool."""
    file = read(MADE / "failures.eval")
    own = notes(file)["log_total"]
    assert own == {"tool": "Inspect 0.3.285", "totals": ("accuracy 83.3 %",), "own": "56.2 %", "right": 9, "rows": 16}
    graded = notes(read(MADE / "graded.eval", prediction="correct"))["log_total"]  # a quarter right, a quarter partial
    assert (graded["totals"], graded["own"]) == (("accuracy 37.5 %",), "25.0 %")
    for name in ("people", "choices", "odd"):
        assert "log_total" not in notes(read(MADE / f"{name}.eval"))
    assert "log_total" not in notes(read(MADE / "failures.eval", texts=("answer",)))


def test_the_total_of_each_reducer_is_stated(tmp_path):
    def reduce(name, value):
        if name == "header.json":
            score = value["results"]["scores"][0]
            value["results"]["scores"] = [{**score, "reducer": "at_least_2"}, {**score, "reducer": "mean"}]
            value["results"]["scores"][0]["metrics"] = {"accuracy": {"value": 0.5}}
        return value

    stated = notes(read(changed(tmp_path, "epochs", reduce), scorer="match", epoch="all"))["log_total"]
    assert stated["totals"] == ("accuracy 50.0 % (epochs by at_least_2)", "accuracy 87.5 % (epochs by mean)")
    assert stated["own"] == "87.5 %"


# ---- the tool's own reader -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["people", "odd", "failures"])
def test_rows_equal_those_of_the_tools_own_reader(expected, name):
    """`expected.json` holds what `inspect_ai.log.read_eval_log_samples` gives for the same file."""
    ours = rows(read(MADE / f"{name}.eval", attributes=("gender", "race")))
    assert len(ours) == len(expected["inspect_ai"][name])
    for sample in expected["inspect_ai"][name]:
        truth, answer, cells = ours[sample["id"]]
        said = "(error)" if sample["error"] else "(limit)" if sample["limit"] else sample["scores"]["match"][1]
        assert (truth, answer) == (sample["target"], said)
        assert cells == {key: sample["metadata"].get(key) or "unknown" for key in ("gender", "race")}


def test_right_and_wrong_are_those_of_the_tool(expected):
    ours = rows(read(MADE / "people.eval", prediction="correct"))
    judged = {sample["id"]: {"C": "right", "I": "wrong"}[sample["scores"]["match"][0]] for sample in expected["inspect_ai"]["people"]}
    assert {name: answer for name, (_, answer, _) in ours.items()} == judged
    assert sum(answer == "right" for answer in judged.values()) == 92


def test_both_forms_of_a_log_give_the_same_rows():
    assert rows(read(MADE / "choices.json")) == rows(read(MADE / "choices.eval"))


def test_deflated_members_are_read_as_well(tmp_path):
    path = changed(tmp_path, "people", lambda _, value: value, method=8)
    with zipfile.ZipFile(path) as archive:
        assert {info.compress_type for info in archive.infolist()} == {8}
    assert rows(read(path)) == rows(read(MADE / "people.eval"))


# ---- the traps, by their numbers in the reference ------------------------------------------------------------------------------------


def test_trap_1_epochs_must_be_chosen_and_count_as_one_sampling_unit(expected):
    with pytest.raises(UsageError, match=r"epochs.eval has 2 epochs") as refused:
        read(MADE / "epochs.eval", scorer="match")
    assert "--epoch all" in refused.value.fix
    both = read(MADE / "epochs.eval", scorer="match", epoch="all")
    answers = both.answers[0]
    assert (answers.cluster, len(answers.predictions.y_pred), len(set(answers.predictions.cluster))) == ("sample", 80, 40)
    assert list(rows(both))[:1] == ["img000#1"]
    assert notes(both)["log_epochs"] == {"samples": 40, "rows": 80, "column": "sample"}
    second = rows(read(MADE / "epochs.eval", scorer="match", epoch="2"))
    told = {sample["id"]: sample["scores"]["match"][1] for sample in expected["inspect_ai"]["epochs"] if sample["epoch"] == 2}
    assert {name: answer for name, (_, answer, _) in second.items()} == told
    with pytest.raises(UsageError, match="has no epoch 3"):
        read(MADE / "epochs.eval", scorer="match", epoch="3")


def test_trap_1_one_epoch_is_no_choice():
    assert len(rows(read(MADE / "people.eval", epoch="all"))) == 128
    assert read(MADE / "people.eval", epoch="all").answers[0].cluster is None


def test_trap_2_with_two_scorers_one_must_be_chosen():
    with pytest.raises(UsageError, match=r"epochs.eval has 2 scorers") as refused:
        read(MADE / "epochs.eval", epoch="1")
    assert (refused.value.why, refused.value.fix) == ("found 'match', 'includes'", "choose one: --scorer match")
    with pytest.raises(UsageError, match="no scorer 'mach'") as refused:
        read(MADE / "people.eval", scorer="mach")
    assert "did you mean match" in refused.value.fix
    with pytest.raises(UsageError, match=r"--filter cannot be used with people.eval"):
        read(MADE / "people.eval", filter="none")


def test_trap_3_letters_become_choices_and_a_reply_without_one_is_no_answer():
    ours = rows(read(MADE / "choices.eval"))
    assert [(truth, answer) for truth, answer, _ in ours.values()] == [
        ("a nurse", "a nurse"), ("a doctor", "a doctor"), ("a chef", "a chef"), ("a nurse", "(no answer)"),
        ("a doctor", "a doctor"), ("a chef", "a nurse"), ("a nurse", "a chef"), ("a doctor", "a nurse"),
    ]  # fmt: skip
    assert notes(read(MADE / "choices.eval"))["log_without_answer"] == {"total": 8, "errors": 0, "limits": 0, "silent": 1}
    assert [answer for _, answer, _ in rows(read(MADE / "choices.eval", prediction="correct")).values()] == [
        "right", "right", "right", "(no answer)", "right", "wrong", "wrong", "wrong",
    ]  # fmt: skip


def test_trap_3_choices_in_another_order_for_each_sample_keep_their_meaning(expected):
    """The letters of the replies are those of `choices.eval`: what they mean differs."""
    ours = rows(read(MADE / "shuffled.eval"))
    assert [truth for truth, _, _ in ours.values()] == [("a nurse", "a doctor", "a chef")[i % 3] for i in range(8)]
    for sample in expected["inspect_ai"]["shuffled"]:
        value, answer = sample["scores"]["choice"]
        truth, said, _ = ours[str(sample["id"])]
        assert (said == truth) == (value == "C")
        assert (said == "(no answer)") == (answer == "")


def test_trap_3_a_target_that_is_no_letter_of_a_choice_is_refused(tmp_path):
    path = changed(tmp_path, "choices", lambda _, value: {**value, "target": "D"} if "target" in value else value)
    with pytest.raises(DataError, match="the target 'D' is not the letter of one of 3 choices"):
        read(path)
    assert len(rows(read(path, prediction="correct"))) == 8


def test_trap_4_completions_are_not_labels_unless_they_are_named():
    """`includes()` records the whole completion in lower case; where it accepts one, that counts as the target."""
    with pytest.raises(UsageError, match=r"texts.eval has \d+ different answers") as refused:
        read(MADE / "texts.eval")
    assert "--prediction-column correct" in refused.value.fix
    assert {answer for _, answer, _ in rows(read(MADE / "texts.eval", prediction="correct")).values()} == {"right", "wrong"}
    texts = read(MADE / "texts.eval", texts=("answer",)).answers[0].texts["answer"]
    assert texts[9] == "i looked at picture 9 and say i give up."
    named = rows(read(MADE / "texts.eval", prediction="answer"))
    assert named["img000"][:2] == ("yes", "yes")
    assert sum(answer.startswith("i looked") for _, answer, _ in named.values()) == 56


def test_trap_5_none_and_missing_keys_are_empty_cells_and_nested_values_have_names():
    file = read(MADE / "odd.eval", attributes=("race", "gender"))
    races = [cells["race"] for _, _, cells in rows(file).values()]
    assert races == ["A", "unknown", "unknown", "unknown", "A", "A", "B", "B"]
    assert notes(file)["unused_columns"] == {"columns": ("'place.tags'",)}


def test_trap_6_pictures_are_not_read_whether_they_are_attached_or_removed(tmp_path):
    def attach(name, value):
        return {**value, "attachments": {"d5f5": "data:image/png;base64,iVBOR"}} if name.startswith("samples/") else value

    kept = b"".join(members("choices").values())
    assert b"<base64-data-removed>" in kept
    assert rows(read(changed(tmp_path, "choices", attach))) == rows(read(MADE / "choices.eval"))


def test_trap_7_a_run_that_did_not_finish_is_refused_unless_it_is_named():
    with pytest.raises(UsageError, match=r"the run of broken.eval did not finish") as refused:
        read(MADE / "broken.eval")
    assert "'error'" in refused.value.why
    assert refused.value.fix.endswith("--unfinished")
    file = read(MADE / "broken.eval", unfinished=True)
    reached = sum(name.startswith("samples/") for name in members("broken"))
    assert notes(file)["log_unfinished"] == {"found": reached, "total": 16, "status": "error"}
    assert reached < 16
    assert rows(file)["img009"][1] == "(error)"


def test_trap_7_a_log_that_lost_samples_is_refused(tmp_path):
    path = changed(tmp_path, "people", lambda name, value: None if name.startswith("samples/img007") else value)
    with pytest.raises(DataError, match="does not hold every sample") as refused:
        read(path)
    assert refused.value.why == "it says 128 samples and holds 127"


def test_trap_7_a_run_that_was_killed_has_a_journal_only(tmp_path):
    path = changed(tmp_path, "people", lambda name, value: None if name in ("header.json", "summaries.json") else value)
    with pytest.raises(UsageError, match="did not finish") as refused:
        read(path)
    assert "'started'" in refused.value.why
    assert len(rows(read(path, unfinished=True))) == 128


def test_trap_8_errors_and_limits_are_outcomes_of_their_own_and_counted_by_group():
    file = read(MADE / "failures.eval")
    counts = pd.DataFrame([(cells["gender"], answer) for _, answer, cells in rows(file).values()]).value_counts().to_dict()
    assert {key: counts[key] for key in counts if key[1].startswith("(")} == {("Female", "(error)"): 4, ("Male", "(limit)"): 1}
    assert notes(file)["log_without_answer"] == {"total": 16, "errors": 4, "limits": 1, "silent": 0}


@pytest.mark.slow
def test_trap_8_errors_that_fall_on_one_group_are_found(tmp_path):
    """All errors are Female's: 32 of 64 against none of 64 Male."""

    def fail(name, value):
        female = name.startswith("samples/") and value["metadata"]["gender"] == "Female"
        return {**value, "error": {"message": "x"}, "scores": {}} if female and int(value["id"][3:]) // 4 % 2 else value

    result = audit.audit(predictions=changed(tmp_path, "people", fail), attributes=("gender",), independent=True).results.audits[0]
    (finding,) = (finding for finding in result.findings if finding.id == "predictions/selection_rate[(error)]/gender")
    assert {rate.group[0]: rate.events for rate in finding.by_group} == {"Female": 32, "Male": 0}
    assert finding.verdict == "signal"


def test_trap_9_several_targets_are_audited_by_the_score_only():
    with pytest.raises(UsageError, match="4 rows with several right answers, first in the sample 'img001'") as refused:
        read(MADE / "targets.eval")
    assert "--prediction-column correct" in refused.value.fix
    assert len(rows(read(MADE / "targets.eval", prediction="correct"))) == 8


def test_a_scorer_without_answers_is_audited_by_its_scores(expected):
    """C, I, P and N in turn; N is not scored."""
    with pytest.raises(UsageError, match="records no answers, only scores") as refused:
        read(MADE / "graded.eval")
    assert "--prediction-column correct" in refused.value.fix
    answers = [answer for _, answer, _ in rows(read(MADE / "graded.eval", prediction="correct")).values()]
    assert np.unique(answers, return_counts=True)[1].tolist() == [10] * 4
    assert {*answers} == {"right", "wrong", "partial", "(no answer)"}


def test_an_answer_that_equals_the_target_but_is_judged_wrong_is_refused(tmp_path):
    def contradict(name, value):
        return {**value, "scores": {"match": {"value": "I", "answer": value["target"]}}} if name.startswith("samples/img003") else value

    with pytest.raises(UsageError, match="1 answer equal to the target but judged as wrong") as refused:
        read(changed(tmp_path, "people", contradict))
    assert "'img003'" in refused.value.why


def test_an_answer_that_is_accepted_in_another_spelling_counts_as_the_target(tmp_path):
    def respell(name, value):
        if name.startswith("samples/") and value["scores"]["match"]["value"] == "C":
            value["scores"]["match"]["answer"] = f" {value['target'].title()}."
        return value

    file = read(changed(tmp_path, "people", respell))
    assert {answer for _, answer, _ in rows(file).values()} == {"yes", "no"}
    assert notes(file)["log_respelled"] == {"count": 92}


# ---- files that are none, or damaged -------------------------------------------------------------------------------------------------


def test_another_version_of_the_format_is_named(tmp_path):
    path = changed(tmp_path, "people", lambda name, value: {**value, "version": 3} if name == "header.json" else value)
    with pytest.raises(DataError, match=r"people.eval cannot be read") as refused:
        read(path)
    assert refused.value.why == "its format has version 3; version 2 is read"


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"not an archive", DataError, "it is not a ZIP archive"),
        (packed({"other.json": b"{}"}), DataError, "it holds neither header.json"),
        (packed({"header.json": b"{}"}, states=2**31), UnsafeError, "unfold to"),
        (packed({"header.json": b"[1]"}), DataError, ""),
        (packed({"header.json": b'{"version": 2, "status": "success"}'}), DataError, ""),

    ],
)  # fmt: skip
def test_what_is_no_log_is_refused_with_the_reason(tmp_path, content, error, words):
    (tmp_path / "x.eval").write_bytes(content)
    with pytest.raises(error) as refused:
        read(tmp_path / "x.eval")
    assert words in (refused.value.why or "")


# ---- the page ------------------------------------------------------------------------------------------------------------------------


def test_a_log_of_errors_alone_is_not_called_blind_to_the_images(tmp_path):
    """All 128 samples end in an error: there is no answer from which to tell what the model looks at."""

    def fail(name, value):
        return {**value, "error": {"message": "x"}, "scores": {}} if name.startswith("samples/") else value

    out = tmp_path / "out"
    audit.audit(predictions=changed(tmp_path, "people", fail), attributes=("gender",), out=out)
    page = text_of((out / "report.html").read_text())
    assert "ended in an error" in page


def test_errors_that_fall_on_one_group_call_for_their_cause(tmp_path):
    """Without true answers, how often each outcome occurs is a planned question."""

    def fail(name, value):
        female = name.startswith("samples/") and value["metadata"]["gender"] == "Female"
        broken = {**value, "error": {"message": "x"}, "scores": {}} if female and int(value["id"][3:]) // 4 % 2 else value
        return {**broken, "target": ""} if name.startswith("samples/") else broken

    out = tmp_path / "out"
    done = audit.audit(predictions=changed(tmp_path, "people", fail), attributes=("gender",), independent=True, out=out)
    assert {f.outcome: f.verdict for f in done.results.audits[0].findings if f.attributes == ("gender",)}["(error)"] == "disparity"
    assert "samples of the group Female end in ‘(error)’: they have no answer to judge" in text_of((out / "report.html").read_text())
