"""What the core says without this extension."""

from audit.errors import DataError, UsageError
from tests.support.model_folders import refused
from tests.support.rooms import left_out
from tests.support.text_encoders import folder


def test_without_it_a_spec_and_a_folder_say_that_it_is_left_out(tmp_path):
    path = folder(tmp_path / "st")
    with left_out("text_encoders") as line:
        error = refused(f"text:{path}", UsageError, "unknown model spec")
        assert error.why.startswith("unknown scheme text:; choose one of: api, hf, ")
        assert error.why.endswith(line)
        assert "text:DIR" not in error.fix
        error = refused(path, DataError, "this is not a model of a kind that is known here")
    assert error.why.startswith("as a dual encoder: a model of type 'xlm-roberta' reads texts alone; known kinds: dual encoder, ")
    assert "text encoder" not in error.why.partition("; known kinds: ")[2].partition("; ")[0]
    assert error.why.endswith(line)
