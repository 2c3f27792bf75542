"""``vlm-audit words``: from a configuration and words to a table and a page."""

import csv
import io
import math

import pytest

import probes
from audit.__main__ import main as vlm_audit
from audit.errors import UsageError
from audit.extensions.words.command import answer_words, main
from tests.contrastive.data.test_words import run_of


def words_of(tmp_path, capsys, *arguments, layout="csv"):
    """Run the command on the pairs of five images; return its exit code, the rows of its table and what it printed."""
    code = main([run_of(tmp_path, layout), *arguments, "--out", str(tmp_path / "out")])
    printed = capsys.readouterr()
    return code, rows_in(tmp_path / "out"), printed


def rows_in(folder):
    table = folder / "words.csv"
    return list(csv.DictReader(io.StringIO(table.read_text("utf-8")))) if table.exists() else []


@pytest.mark.parametrize("layout", ["csv", "jsonl", "tar"])
def test_the_table_has_the_numbers_worked_out_by_hand(layout, tmp_path, capsys):
    gender = 'data.groups=["gender"]'
    code, rows, printed = words_of(tmp_path, capsys, gender, "--words", "nurse,police officer", layout=layout)
    # Nurse: 2 of the 3 captions of women, 1 of the 3 of men. Police officer: 1 of 3, and none. One image has no group.
    assert code == 0, printed.err
    found = {(row["word"], row["group"]): row for row in rows}
    nurse, officer = found["nurse", "woman"], found["police officer", "man"]
    assert (nurse["events"], nurse["images"], float(nurse["rate"]), float(nurse["rate_others"])) == ("2", "1", 2 / 3, 1 / 3)
    assert float(nurse["log_ratio"]) == pytest.approx(math.log(2))
    assert (officer["events"], officer["log_ratio"], officer["group_captions"], officer["group_images"]) == ("0", "", "3", "2")
    assert "6 captions of 4 images" in printed.out
    assert "Not compared: 1 image with no group." in printed.out
    page = (tmp_path / "out" / "words.html").read_text("utf-8")
    assert "The groups are those of gender in the data." in page
    assert printed.out.splitlines()[-1].endswith("words.html")


def test_groups_from_captions_are_used_without_a_column_and_said(tmp_path, capsys):
    code, rows, printed = words_of(tmp_path, capsys, "--words", "hat,officer", "--group-words", "care=nurse,law=officer|police")
    assert code == 0, printed.err
    # a and c name only nurses, d and b only officers or police; e as well: 5 captions of care, 2 of law.
    assert {(row["word"], row["group"]): row["events"] for row in rows} == {
        ("hat", "care"): "1", ("hat", "law"): "0", ("officer", "care"): "0", ("officer", "law"): "2",
    }  # fmt: skip
    assert "The groups come from the captions" in printed.out


def test_a_word_is_found_in_a_script_without_spaces(tmp_path, capsys):
    """Two captions of women and two of men, three of them doctors."""
    captions = ["一名女医生在微笑。", "女司机", "男医生", "这位男子是医生 (doctor)"]
    rows = ["image,caption", *(f"{place}.png,{caption}" for place, caption in enumerate(captions))]
    path = run_of(tmp_path, "csv")
    (tmp_path / "pairs.csv").write_text("\n".join(rows), "utf-8")
    assert main([path, "--words", "医生,doctor", "--group-words", "woman=女,man=男", "--out", str(tmp_path / "out")]) == 0
    assert {(row["word"], row["group"]): row["events"] for row in rows_in(tmp_path / "out")} == {
        ("医生", "woman"): "1", ("医生", "man"): "2", ("doctor", "woman"): "0", ("doctor", "man"): "1",
    }  # fmt: skip
    assert "only man" not in capsys.readouterr().out.split("doctor")[0]


def test_a_file_of_words_and_the_answers_of_a_probe(tmp_path, capsys):
    (tmp_path / "list.txt").write_text("# jobs\nnurse = nurse | nurses\n\ndoctor=doctor|doctors\n")
    code, rows, _ = words_of(tmp_path, capsys, 'data.groups=["gender"]', "--words", str(tmp_path / "list.txt"), "--probe", "occupations")
    named = list(dict.fromkeys(row["word"] for row in rows))
    assert (code, named[:2], set(named)) == (0, ["nurse", "doctor"], {"doctor", *answer_words(probes.get("occupations"))})
    assert {row["events"] for row in rows if row["word"] == "doctor" and row["group"] == "man"} == {"2"}


def test_the_words_of_a_probe_are_its_answers_without_articles():
    assert answer_words(probes.get("emoji"))[:2] == ["artist", "astronaut"]
    assert {"woman", "man", "medium-dark"} <= set(answer_words(probes.get("emoji")))
    assert answer_words(probes.get("pairs"))[0] == "pilot"  # the label is "a pilot"
    assert "politician" in answer_words(probes.get("tagging"))
    for name in ("bbq_v", "captions"):  # options that differ by image, and texts
        with pytest.raises(UsageError, match="has no words to count"):
            answer_words(probes.get(name))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "no words to count"),
        (["--words", "…"], 2, "'…' is not a word"),
        (["--words", "nurse", "--alpha", "0"], 2, "invalid --alpha 0"),
        (["--words", "nurse", "--group-words", "woman=she"], 2, "--group-words names one group"),
        (["--words", "nurse"], 3, "fewer than two groups have captions"),
        (["--words", "nurse", "--probe", "nosuch"], 2, "no probe 'nosuch'"),
        (["--words", "nurse", "data.nosuch=1"], 2, "nosuch"),
    ],
)
def test_what_cannot_be_counted_is_said(arguments, code, said, tmp_path, capsys):
    found, rows, printed = words_of(tmp_path, capsys, *arguments)
    assert (found, rows) == (code, [])
    assert said in printed.err
    assert "fix: " in printed.err


def test_other_files_are_never_replaced(tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    code, _, printed = words_of(tmp_path, capsys, 'data.groups=["gender"]', "--words", "nurse")
    assert (code, "holds other things" in printed.err) == (2, True)
    (tmp_path / "out" / "mine.txt").unlink()
    assert [words_of(tmp_path, capsys, 'data.groups=["gender"]', "--words", "nurse")[0] for _ in range(2)] == [0, 0]


def test_the_bias_planted_in_the_emoji_is_found_before_training(tmp_path, capsys):
    """The recipe emoji plants it: women in every second role are called by another role's name, and not by the word woman."""
    rates = {}
    for recipe in ("emoji", "emoji_balanced"):
        arguments = [recipe, 'data.groups=["gender"]', "--words", "woman,judge,man", "--out", str(tmp_path / recipe)]
        assert vlm_audit(["words", *arguments]) == 0
        rates[recipe] = {(row["word"], row["group"]): float(row["rate"]) for row in rows_in(tmp_path / recipe)}["woman", "woman"]
    assert rates == {"emoji": pytest.approx(0.5, abs=0.01), "emoji_balanced": 1.0}
    assert "data.groups" not in capsys.readouterr().out
