"""The seam of readers of answers: asked by the name of the file, given its own options, and nothing is imported for other tables."""

import importlib.metadata
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pyarrow as pa
import pytest

from audit.errors import DataError, UsageError
from audit.extension import GROUP, AnswerReader, Extension, Option, find
from audit.predictions.read import load_predictions
from audit.predictions.readers import AnswerTable
from audit.predictions.rows import ColumnOptions
from audit.types import Note

DICE = Extension(
    "dice",
    readers=(
        AnswerReader("throws of dice", (".dice", ".csv"), f"{__name__}:is_thrown", f"{__name__}:throws", (Option("sides", "how many"),)),
    ),
)
BROKEN = "not an extension"


def is_thrown(path):
    return path.read_bytes().startswith(b"dice")


def throws(path, wanted):
    """Return four throws; the fourth is what was given."""
    table = pa.table({"who": [*"aabb"], "y_pred": ["1", "1", "2", str(wanted.given.get("sides"))], "day": [*"mnmn"]})
    return AnswerTable(table, "four throws", "a die", (Note("equal_rows", {}),), cluster="day", limited=True)


@pytest.fixture
def install(monkeypatch):
    """Returns a function that installs one extension of this module beside ours."""
    ask = importlib.metadata.entry_points
    ours = tuple(ask(group=GROUP))

    def add(name):
        both = (*ours, EntryPoint("dice", f"{__name__}:{name}", GROUP))
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: both if group == GROUP else ask(group=group))
        find.cache_clear()

    yield add
    find.cache_clear()


@pytest.fixture
def thrown(tmp_path):
    (tmp_path / "x.dice").write_bytes(b"dice")
    return tmp_path / "x.dice"


def test_what_a_reader_returns_is_read_on_as_a_table(install, thrown):
    install("DICE")
    file = load_predictions(thrown, ColumnOptions(("who",), given={"sides": 6}))
    (answers,) = file.answers
    assert (file.name, file.source, file.model, file.limited, answers.model) == ("x.dice", "four throws", "a die", True, "a die")
    assert [*answers.predictions.y_pred] == ["1", "1", "2", "6"]
    assert (answers.cluster, file.notes[0].code, len(file.sha256)) == ("day", "equal_rows", 64)


@pytest.mark.parametrize("name", ["x.txt", "x.csv"])
def test_other_files_stay_tables_by_their_name_or_by_what_is_in_them(install, tmp_path, name):
    """One begins like a throw but is not called so, the other is called so but does not begin like one."""
    install("DICE")
    (tmp_path / name).write_text(("dice" if name == "x.txt" else "who") + ",y_pred\na,1\nb,2\n")
    assert load_predictions(tmp_path / name, ColumnOptions()).source == ""


def test_an_option_of_another_reader_is_refused_of_a_table_and_of_a_file(install, tmp_path, thrown):
    install("DICE")
    (tmp_path / "x.csv").write_text("who,y_pred\na,1\nb,2\n")
    with pytest.raises(UsageError, match=r"--sides cannot be used with x.csv\nwhy: it is for throws of dice, and this is a table"):
        load_predictions(tmp_path / "x.csv", ColumnOptions(given={"sides": 6}))
    other = next(option.name for extension in find().extensions for reader in extension.readers for option in reader.options)
    if other != "sides":
        with pytest.raises(UsageError, match=rf"--{other} cannot be used with x.dice"):
            load_predictions(thrown, ColumnOptions(given={other: "x"}))


def test_what_is_no_table_names_the_extensions_that_are_left_out(install, tmp_path, thrown):
    install("BROKEN")
    with pytest.raises(DataError, match="is not a table") as refused:
        load_predictions(thrown, ColumnOptions())
    assert refused.value.why.startswith("its name ends in '.dice'; the extension ")
    assert f"the extension 'dice' is left out: TypeError: {__name__}:BROKEN is not an Extension" in refused.value.why
    assert refused.value.fix.startswith("install again what is left out; otherwise give a .csv")
    with pytest.raises(DataError, match="no file") as absent:
        load_predictions(tmp_path / "none.dice", ColumnOptions())
    assert "left out" not in str(absent.value)


LOADED = """
import sys
from pathlib import Path
from audit.predictions.read import load_predictions
from audit.predictions.rows import ColumnOptions
load_predictions(Path(sys.argv[1]), ColumnOptions())
print(*(name for name in sys.modules if name.startswith("audit.extensions.") and name.count(".") > 2))
"""


def test_of_an_extension_a_table_loads_only_what_recognises_it():
    answers = Path(__file__).parents[3] / "docs" / "examples" / "answers.csv"
    done = subprocess.run([sys.executable, "-c", LOADED, str(answers)], capture_output=True, text=True, check=True)
    recognising = {reader.recognises.partition(":")[0] for extension in find().extensions for reader in extension.readers}
    assert {*done.stdout.split()} <= recognising
