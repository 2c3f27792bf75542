"""``vlm-audit embed``: one process, parts and an audit alone give one result; what is missing is named; mistakes are named."""

import json
import shutil

import pytest

from audit.extensions.scale.command import main, parser
from audit.extensions.scale.options import JUDGING, EmbedRequest
from audit.options.schema import facts_of
from tests.support.command import command

KINDS = """from dataclasses import replace
from audit.testing import four_faces, gender_probe

FACES = four_faces(20)
BROKEN = list(FACES.images)
BROKEN[7] = b"no picture"
DATA = replace(FACES, images=BROKEN)
PROBE = replace(gender_probe(DATA), load=lambda options: DATA)
"""
COLOURS = """from audit.testing import AXES, FakeEncoder


class Colours(FakeEncoder):
    def __init__(self):
        super().__init__(AXES)
        del self.record
"""
ASKED = ("--model", "colours.py:Colours", "--probe", "faces.py", "--max-skip", "0.02")


@pytest.fixture
def place(tmp_path, monkeypatch):
    (tmp_path / "faces.py").write_text(KINDS)
    (tmp_path / "colours.py").write_text(COLOURS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("RANK", "WORLD_SIZE", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def embed(*words):
    done = command(*ASKED, *words, module="audit.extensions.scale.command")
    assert done.returncode == 0, done.stderr
    return done


def audited(out):
    """Return what an audit says, without times, and its log."""
    done = command(*ASKED, "--min-group-size", 5, "--out", out)
    assert done.returncode == 0, done.stderr
    results = json.loads((out / "results.json").read_text())
    del results["timing"], results["command"]
    return json.dumps(results), (out / "run.log").read_text()


def receipts(place):
    return sorted(path.name for path in (place / "cache").glob("*/receipts/*.json"))


@pytest.mark.slow
def test_1_2_and_7_parts_give_what_one_process_gives(place, monkeypatch):
    """80 images of two contents, one of them damaged: a part may hold nothing else, and must not fail for it."""
    expected, log = audited(place / "alone")
    assert "embedded 2 images" in log
    for count in (1, 2, 7):
        shutil.rmtree(place / "cache")
        for number in range(1, count + 1):
            embed("--part", f"{number}/{count}")
        assert len(receipts(place)) == count
        found, log = audited(place / f"of-{count}")
        assert found == expected
        assert "embedded 0 images, 79 from the cache" in log
        assert "receipt" not in log
    rows = [json.loads(path.read_text()) for path in (place / "cache").glob("*/receipts/*.json")]
    assert (sum(row["rows"] for row in rows), sum(row["embedded"] for row in rows)) == (80, 79)
    [left_out] = [row["exclusions"] for row in rows if row["exclusions"]]
    assert left_out == [{"reason": "not an image", "count": 1, "by_group": {"race": {"White": 1}, "gender": {"Male": 1}}}]


def test_a_part_that_is_missing_is_named_and_one_that_is_done_twice_changes_nothing(place):
    expected, _ = audited(place / "alone")
    shutil.rmtree(place / "cache")
    first = embed("--part", "1/3").stdout
    assert embed("--part", "1/3").stdout != first  # nothing is new
    assert "(0 new)" in embed("--part", "1/3").stdout
    embed("--part", "3/3")
    found, log = audited(place / "found")
    assert found == expected
    assert "part 2/3 has left no receipt" in log
    assert "part 1/3 has" not in log


@pytest.mark.slow
def test_the_batch_system_chooses_the_part(place, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "part 2/2" in embed().stdout
    assert "part 1/3" in embed("--part", "1/3").stdout
    assert len(receipts(place)) == 2


def test_texts_are_embedded_by_the_first_part(place):
    assert "and 2 texts in the cache" in embed("--part", "1/2").stdout
    assert "and 0 texts in the cache" in embed("--part", "2/2").stdout


def test_nothing_is_judged_and_no_directory_written(place):
    embed()
    assert sorted(path.name for path in place.iterdir() if path.name not in ("__pycache__", "cache")) == ["colours.py", "faces.py"]


def test_flags_are_the_options_that_judge_nothing():
    flags = {action.dest for action in parser()._actions} - {"help", "help_all", "version", "debug", "quiet"}
    assert flags == {name for name, field in EmbedRequest.model_fields.items() if facts_of(field)["task"]} - set(JUDGING)
    assert set(JUDGING) <= set(EmbedRequest.model_fields)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--part", "8/7"], 2, "invalid part '8/7': expected i/N"), (["--fail-on", "gap > 0.1"], 2, "--fail-on"),
        (["--ray-actors", "2"], 2, "--ray-actors requires --engine ray"), (["--engine", "ray", "--part", "1/2"], 2, "Ray divides the work"),
        (["--engine", "ray", "--ray-actors", "3,2"], 2, "invalid ray actors '3,2': expected a number"),
        (["--cache-root", "s4://x"], 2, "begin with s4:// are not read"), (["--cache-root", "/proc/cache"], 5, "did not take all"),
    ],
)  # fmt: skip
def test_mistakes_are_named(place, words, code, said, capsys):
    done = command(*ASKED, *words, module="audit.extensions.scale.command")
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_judgement_that_python_asks_for_is_refused(place):
    from audit.errors import UsageError

    with pytest.raises(UsageError, match="cannot be used with embed"):
        EmbedRequest(model="x", probe="y", fail_on="gap > 0.1")
    with pytest.raises(UsageError, match="--alpha cannot be used with embed"):
        EmbedRequest(model="x", probe="y", alpha=0.01)


def test_it_is_a_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = capsys.readouterr().out
    assert "--engine" in printed
    assert "1 a gate is breached" not in printed
