"""The JSON Schemas in docs/schema are those that the code makes, and the sample reports follow them."""

import gzip
import json

import pytest

from audit.commands.schema import file_names, main, schemas
from docs.tools.gallery import FOLDER as SAMPLES
from docs.tools.schema import FOLDER


@pytest.mark.slow_except("causes.json")
@pytest.mark.parametrize("name", file_names())
def test_a_schema_is_what_the_code_makes(name):
    stored = json.loads((FOLDER / name).read_text("utf-8"))
    assert stored == json.loads(json.dumps(schemas()[name])), "run: python -m docs.tools.schema"


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*/*.json.gz")), ids=lambda path: path.parent.name)
def test_a_sample_follows_its_schema(path):
    import jsonschema  # takes two seconds, in every process that collects tests

    validator = jsonschema.Draft202012Validator(json.loads((FOLDER / path.stem).read_text("utf-8")))
    results = json.loads(gzip.decompress(path.read_bytes()))
    validator.validate(results)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**results, "timing": "today"})


def test_the_command_prints_a_schema(capsys):
    assert main(["comparison.json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((FOLDER / "comparison.json").read_text("utf-8"))
