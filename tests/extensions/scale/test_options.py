"""The options of filling a cache."""

from functools import reduce
from typing import Annotated

from pydantic import TypeAdapter

from audit.extensions.scale.options import JUDGING, EmbedRequest
from audit.options.audits import AuditRequest
from docs.tools.command_line import fields


def test_every_field_has_help_and_a_row_in_the_docs():
    table = fields(EmbedRequest)
    for name, field in EmbedRequest.model_fields.items():
        assert field.description, name
        assert f"| `{name}` | `" in table


def test_none_is_an_option_that_was_not_given():
    for name, field in EmbedRequest.model_fields.items():
        if field.default is None:
            kind = reduce(lambda kind, validator: Annotated[kind, validator], field.metadata, field.annotation)
            assert TypeAdapter(kind, config={"arbitrary_types_allowed": True}).validate_python(None) is None, name


def test_what_is_left_out_are_options_of_an_audit():
    assert set(JUDGING) < set(AuditRequest.model_fields)
