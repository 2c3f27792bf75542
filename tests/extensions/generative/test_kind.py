"""What the core says without this extension, and that folders of other kinds are told apart without its tables."""

import subprocess
import sys

from audit.errors import DataError
from tests.support.house import ROOT
from tests.support.model_folders import refused
from tests.support.rooms import left_out


def test_without_it_a_folder_says_that_it_is_left_out(folders):
    with left_out("generative") as line:
        error = refused(folders("llava"), DataError, "this is not a model of a kind that is known here")
    assert error.why.startswith("as a dual encoder: a model of type 'llava' is not a dual encoder; known kinds: dual encoder, ")
    assert "generative" not in error.why.partition("; known kinds: ")[2].partition("; ")[0]
    assert error.why.endswith(line)
    assert error.fix.endswith("; or, if it is of another kind, install what is left out")


def test_a_dual_encoder_is_told_apart_without_its_tables():
    code = "import sys; from audit.extensions.generative.kind import is_generative\n"
    code += "assert not is_generative({'model_type': 'clip'})\n"
    code += "sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
