"""Watching predictions: looks do not matter, used rows may not change, and what the test cannot use is refused by name."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.errors import DataError, MachineError, UsageError
from audit.extensions.watch.betting import log_wealth, rounds_of
from audit.extensions.watch.command import main
from audit.extensions.watch.complete_lines import complete_lines
from audit.extensions.watch.look import watch
from audit.extensions.watch.page import render_watch
from audit.extensions.watch.record import MOST_LATE, WATCH, WATCH_FILE, WatchColumns, WatchedQuestion, WatchPlan
from audit.extensions.watch.sentences import pair_interval
from audit.extensions.watch.terminal import watch_lines
from strictio.files import Lock
from strictio.folders import Folder


def stream(n, seed=0, gap=0.0, share=0.4, rate=0.85, **columns):
    """Rows of two groups; women are right less often by `gap`."""
    rng = np.random.default_rng(seed)
    woman = rng.random(n) < share
    truth = np.where(rng.random(n) < 0.5, "cat", "dog")
    right = rng.random(n) < np.where(woman, rate - gap, rate)
    other = np.where(truth == "cat", "dog", "cat")
    ids = [f"{seed}-{row}" for row in range(n)]
    frame = {"id": ids, "gender": np.where(woman, "woman", "man"), "y_true": truth, "y_pred": np.where(right, truth, other)}
    return pd.DataFrame({**frame, **{name: make(n) for name, make in columns.items()}})


def put(folder: Path, name: str, frame: pd.DataFrame) -> Path:
    folder.mkdir(exist_ok=True)
    frame.to_csv(folder / name, index=False)
    return folder / name


def gap_of(facts, metric="accuracy"):
    return next(gap for gap in facts.gaps if gap.question.metric == metric)


def test_the_wealth_is_that_of_the_rows_in_their_order(tmp_path):
    """By hand: the rounds of the column of right answers of men and women, at the default tolerance of 5 points."""
    frame = stream(300, gap=0.2)
    put(tmp_path / "in", "a.csv", frame[:100])
    put(tmp_path / "in", "b.csv", frame[100:])
    facts = watch(tmp_path / "in", tmp_path / "out").facts
    rounds = rounds_of((frame.gender == "man").to_numpy(), (frame.y_true == frame.y_pred).to_numpy())
    wealth = log_wealth(rounds.differences, 0.05) / np.log(10)
    pair = gap_of(facts).pairs[0]
    assert (pair.first, pair.second, pair.rounds) == ("man", "woman", len(rounds.rows))
    assert pair.log10_wealth == pytest.approx(wealth[-1])
    assert pair.log10_most == pytest.approx(max(0, wealth.max()))
    assert {group.group: (group.n, group.events) for group in gap_of(facts).groups} == {
        name: (len(rows), (rows.y_true == rows.y_pred).sum()) for name, rows in frame.groupby("gender")
    }
    # accuracy, and the true and false positive rate: two tests each, which have 80 % of the level
    assert facts.plan.log_threshold == pytest.approx(np.log(6 / 0.04))


def test_many_looks_end_where_one_look_ends(tmp_path):
    """A folder that gains files, a file that gains rows, and one look at everything: the same tests, and the same alarm."""
    frame = stream(900, gap=0.3)
    for stop in (200, 450, 900):
        put(tmp_path, "grows.csv", frame[:stop])
        grown = watch(tmp_path / "grows.csv", tmp_path / "grown", tolerance=0.1)
    for number, start in enumerate(range(0, 900, 300), 9):  # part-9, part-10, part-11: by value, not by letter
        put(tmp_path / "in", f"part-{number}.csv", frame[start : start + 300])
        gained = watch(tmp_path / "in", tmp_path / "gained", tolerance=0.1)
    put(tmp_path, "once.csv", frame)
    once = watch(tmp_path / "once.csv", tmp_path / "once", tolerance=0.1)
    assert [look.rows for look in grown.facts.looks] == [200, 450, 900]
    assert [rows.file for rows in gained.facts.used] == ["part-9.csv", "part-10.csv", "part-11.csv"]
    for one in (grown, gained):
        for gap, same in zip(one.facts.gaps, once.facts.gaps, strict=True):
            assert (gap.pairs, gap.groups, gap.curve) == (same.pairs, same.groups, same.curve)
            assert (gap.alarm is None) == (same.alarm is None)
    assert gap_of(grown.facts).alarm.row == gap_of(once.facts).alarm.row == gap_of(gained.facts).alarm.row
    assert grown.exit_code == 1


def test_files_that_came_together_are_used_by_number(tmp_path):
    frame = stream(300)
    for name, rows in (("day-10.csv", frame[:100]), ("day-9.csv", frame[100:200]), ("day-2.csv", frame[200:])):
        put(tmp_path / "in", name, rows)
    used = watch(tmp_path / "in", tmp_path / "out").facts.used
    assert [rows.file for rows in used] == ["day-2.csv", "day-9.csv", "day-10.csv"]


def test_renamed_groups_and_swapped_labels_change_no_wealth(tmp_path):
    frame = stream(400, gap=0.2)
    renamed = frame.replace({"woman": "a", "man": "z", "cat": "x", "dog": "y"})
    put(tmp_path, "one.csv", frame)
    put(tmp_path, "two.csv", renamed)
    first, second = (watch(tmp_path / f"{name}.csv", tmp_path / name).facts for name in ("one", "two"))
    numbers = [[(p.log10_wealth, p.low, p.high) for p in gap_of(facts).pairs] for facts in (first, second)]
    assert numbers[0] == numbers[1]


def test_an_alarm_ends_with_1_and_stays(tmp_path, capsys):
    put(tmp_path / "in", "1.csv", stream(800, gap=0.4))
    assert main([str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "Alarm. Accuracy by gender: the rate of man exceeds that of woman by more than 5 points." in printed
    put(tmp_path / "in", "2.csv", stream(3000, seed=1, gap=-0.1))  # women are right more often now: the wealth falls
    done = watch(tmp_path / "in", tmp_path / "out")
    pair = gap_of(done.facts).pairs[0]
    assert pair.log10_wealth < pair.log10_most
    assert done.exit_code == 1
    assert gap_of(done.facts).alarm.file == "1.csv"


def test_no_alarm_ends_with_0_and_says_that_it_is_no_evidence(tmp_path, capsys):
    put(tmp_path, "a.csv", stream(300))
    assert main([str(tmp_path / "a.csv"), "--out", str(tmp_path / "out"), "--tolerance", "0.1"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "No gap has been shown to exceed 10 points so far. This is not evidence that the gaps are smaller." in printed


def test_a_gap_that_begins_after_many_rows_raises_the_alarm(tmp_path, capsys):
    """30 points from row 6,001 on: bets that all began with the first row had lost too much by then."""
    put(tmp_path / "in", "quiet.csv", stream(6000, seed=1))
    assert watch(tmp_path / "in", tmp_path / "out").exit_code == 0
    put(tmp_path / "in", "then.csv", stream(600, seed=2, gap=0.3))
    assert main([str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "Accuracy by gender: the rate of man exceeds that of woman by more than 5 points." in printed
    assert "The difference, man above woman, has changed: it was above" in printed
    pair = gap_of(WATCH_FILE.from_json((tmp_path / "out" / WATCH).read_text())).pairs[0]
    assert pair.low > max(0.05, pair.high)
    assert pair_interval(pair).startswith("changed: above +")
    assert pair_interval(pair) in (tmp_path / "out" / "watch.html").read_text()


def test_rare_outcomes_by_name_and_bins(tmp_path):
    put(tmp_path, "a.csv", stream(400, age=lambda n: np.arange(n) * 7 % 80).drop(columns=["y_true", "gender"]))
    facts = watch(tmp_path / "a.csv", tmp_path / "out", outcome="dog=dog", bins=("age=18,60",)).facts
    (gap,) = facts.gaps
    assert gap.question.id == "predictions/selection_rate[dog]/age"
    assert gap.question.groups == ("18 to under 60", "60 and over", "under 18")
    assert len(gap.pairs) == 3
    again = watch(tmp_path / "a.csv", tmp_path / "out").facts  # nothing new: the plan and the state are as before
    assert (again.gaps, again.plan, again.used) == (facts.gaps, facts.plan, facts.used)
    assert len(again.looks) == 2


# ---- groups that were not in the first look --------------------------------------------------------------------------------------------


def with_late(frame, name, share=0.4, rate=0.5, seed=7):
    """The rows, a share of which are of another group, right at another rate."""
    rng = np.random.default_rng(seed)
    late, other = rng.random(len(frame)) < share, frame.y_true.map({"cat": "dog", "dog": "cat"})
    answers = np.where(rng.random(len(frame)) < rate, frame.y_true, other)
    return frame.assign(gender=np.where(late, name, frame.gender), y_pred=np.where(late, answers, frame.y_pred))


def test_a_group_that_arrives_late_is_watched_from_its_first_row(tmp_path, capsys):
    """Three questions with two tests each; a late group has 1/3 of 1 % of the level, the first one half of that, for four tests."""
    put(tmp_path / "in", "1.csv", stream(400, share=0.5))
    assert watch(tmp_path / "in", tmp_path / "out").exit_code == 0
    last = with_late(stream(600, seed=1, share=0.5), "nonbinary", rate=0.4)
    put(tmp_path / "in", "2.csv", last)
    assert main([str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "exceeds that of nonbinary by more than 5 points. New since the first look, and watched: nonbinary (gender)." in printed
    facts = WATCH_FILE.from_json((tmp_path / "out" / WATCH).read_text())
    gap = gap_of(facts)
    (late,) = gap.late
    first = int(np.argmax(last.gender == "nonbinary"))
    assert (late.group, late.row, late.file, late.stake) == ("nonbinary", 400 + first + 1, "2.csv", pytest.approx(0.01 / 3 / 2 / 4 * 150))
    assert f"New in gender since the first look: nonbinary from row {late.row} (2.csv), with a wealth of 0.0625 at first." in printed
    assert gap.alarm.second == "nonbinary"
    assert [group.group for group in gap.groups] == ["man", "woman", "nonbinary"]
    pair = next(pair for pair in gap.pairs if {pair.first, pair.second} == {"man", "nonbinary"})
    since = last[first:][last.gender[first:] != "woman"]
    rounds = rounds_of((since.gender == "man").to_numpy(), (since.y_true == since.y_pred).to_numpy())
    assert pair.log10_wealth == pytest.approx((log_wealth(rounds.differences, 0.05)[-1] + np.log(late.stake)) / np.log(10))
    page = (tmp_path / "out" / "watch.html").read_text().replace("\xa0", " ")
    assert "New since the first look, and watched: nonbinary (gender)." in page


def test_late_groups_do_not_depend_on_when_the_looks_were(tmp_path):
    frame = pd.concat([stream(100), with_late(stream(200, seed=1), "x"), with_late(stream(200, seed=2), "y")])
    for stop in (100, 250, 500):
        put(tmp_path, "often.csv", frame[:stop])
        often = watch(tmp_path / "often.csv", tmp_path / "often").facts
    put(tmp_path, "twice.csv", frame[:100])
    watch(tmp_path / "twice.csv", tmp_path / "twice")
    put(tmp_path, "twice.csv", frame)
    twice = watch(tmp_path / "twice.csv", tmp_path / "twice").facts
    assert [late.group for late in gap_of(often).late] == ["x", "y"]
    for gap, same in zip(often.gaps, twice.gaps, strict=True):
        assert (gap.pairs, gap.groups, gap.curve) == (same.pairs, same.groups, same.curve)
        assert [(late.row, late.stake) for late in gap.late] == [(late.row, late.stake) for late in same.late]


def test_all_tests_together_have_no_more_than_the_level():
    """With 1 to 30 groups at the first look, and as many late ones as are compared."""
    sizes = (1, 2, 3, 30)
    names = [tuple(map(str, range(size))) for size in sizes]
    questions = tuple(WatchedQuestion(str(i), "p", "accuracy", "a", None, (), groups) for i, groups in enumerate(names))
    plan = WatchPlan("in", 0.05, 0.05, (), WatchColumns((), None, None, None, (), None), questions, "")
    levels = [question.tests / np.exp(plan.log_threshold) for question in questions]
    levels += [
        2 * (len(question.groups) + place - 1) * plan.late_stake(question, place) / np.exp(plan.log_threshold)
        for question in questions
        for place in range(1, MOST_LATE + 1)
    ]
    assert 0.045 < sum(levels) <= 0.05  # of 30 groups, a late one could have more than a wealth of 1
    assert all(0 < plan.late_stake(question, place) <= 1 for question in questions for place in range(1, MOST_LATE + 1))


def test_an_attribute_with_one_group_is_watched_once_it_has_two(tmp_path):
    site = stream(300, site=lambda n: "north")
    put(tmp_path / "in", "1.csv", site)
    facts = watch(tmp_path / "in", tmp_path / "out", attributes=("gender", "site")).facts
    assert [gap.pairs for gap in facts.gaps if gap.question.attribute == "site"] == [()]
    second = stream(300, seed=1, gap=0.6, share=0.5, site=lambda n: "north")
    put(tmp_path / "in", "2.csv", second.assign(site=np.where(second.gender == "woman", "south", "north")))
    done = watch(tmp_path / "in", tmp_path / "out").facts
    (gap,) = (gap for gap in done.gaps if gap.question.attribute == "site")
    assert (gap.alarm.first, gap.alarm.second) == ("north", "south")


def test_groups_beyond_those_that_are_compared_and_unknown_values_are_named(tmp_path):
    put(tmp_path / "in", "1.csv", stream(100))
    watch(tmp_path / "in", tmp_path / "out")
    late = stream(60, seed=1)
    late.loc[:44, "gender"] = [f"new {place // 2}" for place in range(45)]
    late.loc[45:49, "gender"] = ""
    put(tmp_path / "in", "2.csv", late)
    done = watch(tmp_path / "in", tmp_path / "out")
    gap = gap_of(done.facts)
    assert {group.group: group.n for group in gap.others} == {"new 20": 2, "new 21": 2, "new 22": 1, "unknown": 5}
    assert sum(group.n for group in gap.groups) == 150
    lines = " ".join(watch_lines(done.facts, done.new_rows).split())
    assert "Not watched, because 20 new groups of gender are already: new 20 (2), new 21 (2) and new 22 (1)." in lines
    assert "Left out, with an unknown value: 5 rows." in lines


# ---- what is refused -------------------------------------------------------------------------------------------------------------------


def changed(frame):
    frame = frame.copy()
    frame.loc[3, "y_pred"] = "dog" if frame.loc[3, "y_pred"] == "cat" else "cat"
    return frame


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (changed, "rows 1 to 100 of 1.csv have changed"),
        (lambda frame: frame[:60], "1.csv has 60 rows; 100 of it were used"),
        (lambda frame: frame.iloc[::-1], "have changed"),
        (lambda frame: pd.concat([stream(1, seed=9), frame]), "have changed"),
        (None, "1.csv is gone"),
    ],
)
def test_rows_that_were_used_may_not_change(tmp_path, change, what):
    frame = stream(100)
    path = put(tmp_path / "in", "1.csv", frame)
    watch(tmp_path / "in", tmp_path / "out")
    before = (tmp_path / "out" / WATCH).read_bytes()
    put(tmp_path / "in", "2.csv", stream(50, seed=1))
    path.unlink() if change is None else put(tmp_path / "in", "1.csv", change(frame))
    with pytest.raises(DataError, match=what):
        watch(tmp_path / "in", tmp_path / "out")
    assert (tmp_path / "out" / WATCH).read_bytes() == before


def clustered(n):
    return np.repeat(np.arange(n // 2 + 1), 2)[:n]


@pytest.mark.parametrize(
    ("frame", "options", "what"),
    [
        (stream(100, person=lambda n: np.arange(n).astype(str)), {"weights": "person"}, "unknown option 'weights'"),
        (stream(100, person=lambda n: [f"p{i}" for i in clustered(n)]), {"cluster": "person"}, "the cluster 'p0' occurs twice"),
        (stream(100).sort_values("y_true"), {}, "sorted by their true answers"),
        (stream(100).sort_values("y_pred"), {}, "sorted by their answers"),
        (stream(100).iloc[np.argsort((stream(100).y_true == stream(100).y_pred).to_numpy(), kind="stable")], {}, "sorted by their errors"),
        (stream(100).assign(gender="man"), {"attributes": "gender"}, "no gap that could be watched"),
        (stream(100), {"attributes": "race"}, "no column 'race'"),
        (stream(100), {"bins": ("age=4",)}, "names no edges"),
        (stream(100).assign(id="same"), {}, "same"),
    ],
)
def test_what_the_test_cannot_use_is_refused(tmp_path, frame, options, what):
    put(tmp_path, "a.csv", frame)
    with pytest.raises((DataError, UsageError), match=re.escape(what)):
        watch(tmp_path / "a.csv", tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_one_row_per_cluster_is_used(tmp_path):
    put(tmp_path, "a.csv", stream(100, person=lambda n: [f"p{i}" for i in range(n)]))
    assert watch(tmp_path / "a.csv", tmp_path / "out", cluster="person").facts.plan.columns.cluster == "person"


def test_one_image_in_two_files_is_refused(tmp_path):
    put(tmp_path / "in", "1.csv", stream(100))
    put(tmp_path / "in", "2.csv", stream(100))
    with pytest.raises(DataError, match="the identifier '0-0' occurs twice"):
        watch(tmp_path / "in", tmp_path / "out")


def test_the_complete_lines_of_a_file_that_is_being_appended_to_are_used(tmp_path, capsys):
    path = put(tmp_path / "in", "1.csv", stream(100))
    put(tmp_path / "in", "2.csv.tmp", stream(5, seed=2))
    assert watch(tmp_path / "in", tmp_path / "out").facts.rows == 100
    complete, words = path.read_bytes(), [str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    path.write_bytes(complete + b"7-1,man,cat,do")  # "do" would be an answer of its own
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "100 rows in 1 file, 2 looks (0 new)" in said
    assert "The last line of 1.csv is incomplete and was left for the next look." in said
    path.write_bytes(complete + b"7-1,man,cat,dog\n7-2,wo")
    assert watch(tmp_path / "in", tmp_path / "out").facts.rows == 101


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_no_moment_of_writing_uses_half_a_line(encoding, tmp_path):
    """A letter whose first or last byte is that of a line break is none."""
    header, rows = "id,y_pred\r\n", ["1,Ċ\r\n", "2,\u0a0a\r\n"] if encoding.startswith("utf") else ["1,é\r\n", "2,ö\r\n"]
    whole = "".join([header, *rows]).encode(encoding)
    ends = [len("".join([header, *rows[:many]]).encode(encoding)) for many in range(3)]
    path = tmp_path / "rows.csv"
    for size in range(ends[0], len(whole) + 1):
        path.write_bytes(whole[:size])
        with complete_lines(path, encoding) as (copy, cut):
            complete = copy.read_bytes()
        width = len("\n".encode(encoding)) if encoding in ("utf-16-le", "utf-16-be") else {"utf-16": 2, "utf-32": 4}.get(encoding, 1)
        assert len(complete) in {end - cut for end in ends for cut in (0, width)}, size  # "\r" ends a line, too
        assert whole.startswith(complete)
        assert cut is (len(complete) < size)
    path.write_bytes(b"id,y_p")
    with pytest.raises(DataError, match="has no complete line yet"), complete_lines(path, None):
        pass


def test_the_plan_is_fixed_at_the_first_look(tmp_path):
    put(tmp_path / "in", "1.csv", stream(100))
    watch(tmp_path / "in", tmp_path / "out", tolerance=0.1)
    for options in ({"tolerance": 0.2}, {"alpha": 0.1}, {"outcome": "a=cat"}, {"attributes": "age"}, {"truth_column": "truth"}):
        with pytest.raises(UsageError, match="contradicts the plan"):
            watch(tmp_path / "in", tmp_path / "out", **options)
    assert watch(tmp_path / "in", tmp_path / "out", tolerance=0.1, attributes="gender").facts.plan.tolerance == 0.1
    put(tmp_path / "other", "1.csv", stream(100))
    with pytest.raises(UsageError, match="is over 'in', not 'other'"):
        watch(tmp_path / "other", tmp_path / "out")


def test_other_folders_are_not_written_to(tmp_path):
    put(tmp_path / "in", "1.csv", stream(100))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other things"):
        watch(tmp_path / "in", tmp_path / "full")
    with pytest.raises(UsageError, match="lies in the folder that is watched"):
        watch(tmp_path / "in", tmp_path / "in" / "out")
    with pytest.raises(DataError, match="no file or folder"):
        watch(tmp_path / "missing", tmp_path / "out")


def test_the_state_of_a_program_with_other_bets_is_refused(tmp_path, capsys):
    """Its own false alarms and those of other bets would add up."""
    put(tmp_path / "in", "1.csv", stream(100))
    watch(tmp_path / "in", tmp_path / "out")
    state = json.loads((tmp_path / "out" / WATCH).read_text())
    (tmp_path / "out" / WATCH).write_text(json.dumps({**state, "schema_version": "1"}))
    files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert main([str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 3
    printed = " ".join(capsys.readouterr().err.split())
    assert "watch.json has schema version '1'; this program reads '2'" in printed
    assert "bets all began with the first row" in printed
    assert "name another --out to begin a new watch" in printed
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == files


def test_two_looks_at_once_do_not_mix(tmp_path):
    put(tmp_path / "in", "1.csv", stream(100))
    with Lock(Folder.of(tmp_path), ".out.lock"), pytest.raises(MachineError, match="another look is being taken"):
        watch(tmp_path / "in", tmp_path / "out")


# ---- the file and the page -------------------------------------------------------------------------------------------------------------


def test_the_state_follows_from_plan_and_rows_alone(tmp_path):
    """Who edits a wealth or removes an alarm in watch.json changes nothing at the next look."""
    put(tmp_path / "in", "1.csv", stream(800, gap=0.4))
    facts = watch(tmp_path / "in", tmp_path / "out").facts
    assert facts.alarms
    forged = json.loads((tmp_path / "out" / WATCH).read_text())
    for gap in forged["gaps"]:
        gap["alarm"] = None
    (tmp_path / "out" / WATCH).write_text(json.dumps(forged))
    assert watch(tmp_path / "in", tmp_path / "out").facts.gaps == facts.gaps


def test_the_page_shows_the_numbers_of_the_file_and_is_rendered_again_from_it(tmp_path):
    put(tmp_path / "in", "<b>1&.csv", stream(800, gap=0.4).replace("woman", "<script>x</script>"))
    done = watch(tmp_path / "in", tmp_path / "out")
    page = (tmp_path / "out" / "watch.html").read_text()
    facts = WATCH_FILE.from_json((tmp_path / "out" / WATCH).read_text())
    assert facts == done.facts
    assert render_watch(facts) == page
    assert "<script>x" not in page
    assert "<b>1" not in page
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", page).replace("http-equiv", "")
    gap = gap_of(facts)
    assert f"The alarm was raised at row\xa0{gap.alarm.row} of\xa0800" in page
    for group in gap.groups:
        assert f">{group.n}<" in page.replace("</td>", "<").replace("\n", "<")
    assert "fair" not in page.replace("fairness", "").lower()


def test_a_kill_between_the_state_and_the_page_loses_nothing(tmp_path, monkeypatch):
    put(tmp_path / "in", "1.csv", stream(100))
    watch(tmp_path / "in", tmp_path / "out")
    put(tmp_path / "in", "2.csv", stream(100, seed=1))

    def killed(facts):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("audit.extensions.watch.look.render_watch", killed)
        with pytest.raises(KeyboardInterrupt):
            watch(tmp_path / "in", tmp_path / "out")
    done = watch(tmp_path / "in", tmp_path / "out")
    assert (done.facts.rows, done.new_rows) == (200, 0)
    assert "200 rows in 2 files" in (tmp_path / "out" / "watch.html").read_text()


def test_a_pair_with_no_round_yet_is_shown(tmp_path):
    """Sorted by group: all men wait for the first woman, who ends the only round."""
    frame = stream(100).sort_values("gender", kind="stable")
    put(tmp_path, "a.csv", frame)
    gap = gap_of(watch(tmp_path / "a.csv", tmp_path / "out").facts)
    women = int((frame.gender == "woman").sum())
    assert (gap.pairs[0].rounds, gap.pairs[0].waiting) == (1, women - 1)


def test_a_column_of_true_answers_that_is_gone_is_a_change(tmp_path):
    put(tmp_path / "in", "1.csv", stream(100))
    watch(tmp_path / "in", tmp_path / "out")
    put(tmp_path / "in", "1.csv", stream(100).drop(columns="y_true"))
    with pytest.raises(DataError, match="have changed"):
        watch(tmp_path / "in", tmp_path / "out")
