"""What the core says without this extension."""

import subprocess
import sys

from audit.errors import DataError, UsageError
from tests.support.classifiers import folder
from tests.support.house import ROOT
from tests.support.model_folders import refused
from tests.support.rooms import left_out


def test_without_it_specs_files_and_folders_say_that_it_is_left_out(tmp_path):
    path = folder(tmp_path / "vit")
    (tmp_path / "m.onnx").write_bytes(b"")
    with left_out("classifiers") as line:
        error = refused(f"onnx:{tmp_path / 'm.onnx'}", UsageError, "unknown model spec")
        assert error.why.startswith("unknown scheme onnx:; choose one of: api, hf, open_clip")
        assert error.why.endswith(line)
        assert "onnx" not in error.fix
        for spec, kind in ((path, "a dual encoder"), (tmp_path / "m.onnx", "a file of weights")):
            error = refused(spec, DataError, "this is not a model of a kind that is known here")
            assert error.why.startswith(f"as {kind}: ")
            assert "classifier" not in error.why.partition("; known kinds: ")[2].partition("; ")[0]
            assert error.why.endswith(line)


def test_folders_of_other_kinds_are_told_apart_without_its_tables():
    code = "import sys; from audit.extensions.classifiers.kinds import is_classifier\n"
    code += "assert not is_classifier({'model_type': 'clip', 'architectures': ['CLIPModel']})\n"
    code += "sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
