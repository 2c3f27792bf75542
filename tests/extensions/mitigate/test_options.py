"""The options of a mitigation, and its command line."""

from functools import reduce
from typing import Annotated

import pytest
from pydantic import TypeAdapter

from audit.extensions.mitigate.command import main
from audit.extensions.mitigate.options import MitigateRequest
from audit.options.schema import facts_of
from docs.tools.command_line import fields


def test_every_field_has_help_and_a_row_in_the_docs():
    table = fields(MitigateRequest)
    for name, field in MitigateRequest.model_fields.items():
        assert field.description, name
        assert f"| `{name}` | `" in table
        assert facts_of(field)["task"] or field.description.endswith(".")


def test_none_is_an_option_that_was_not_given():
    for name, field in MitigateRequest.model_fields.items():
        if field.default is None:
            kind = reduce(lambda kind, validator: Annotated[kind, validator], field.metadata, field.annotation)
            assert TypeAdapter(kind, config={"arbitrary_types_allowed": True}).validate_python(None) is None, name


def test_no_option_has_an_empty_default(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "default: )" not in capsys.readouterr().out


def test_a_name_that_no_file_can_have_is_a_mistake(capsys):
    assert main(["--model", f"{'x' * 5000}.pt", "--probe", "zeroshot", "--data", "own.csv", "--out", "out"]) in (2, 3)
    printed = capsys.readouterr().err
    assert "error" in printed
    assert "defect" not in printed
