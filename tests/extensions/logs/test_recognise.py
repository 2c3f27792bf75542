"""Which files the reader of logs is asked about, and that a tool's own module is loaded for its own logs only."""

import subprocess
import sys

from audit.extensions.logs import READER
from strictio.tables import TEXT
from tests.extensions.logs.conftest import MADE

LOADED = """
import sys
from pathlib import Path
from audit.predictions.read import load_predictions
from audit.predictions.rows import ColumnOptions
load_predictions(Path(sys.argv[1]), ColumnOptions())
print(*(name.rpartition(".")[2] for name in sys.modules if name.startswith("audit.extensions.logs.")))
"""
TOOLS = {"inspect_ai", "lm_eval", "lmms_eval", "vlmevalkit", "every_eval_ever"}


def test_it_is_asked_about_every_kind_of_file_that_a_tool_writes():
    assert {*READER.endings} == {".eval", ".json", *TEXT}


def test_only_the_module_of_the_tool_is_loaded():
    done = subprocess.run([sys.executable, "-c", LOADED, str(MADE / "people.eval")], capture_output=True, text=True, check=True)
    assert TOOLS & {*done.stdout.split()} == {"inspect_ai"}
