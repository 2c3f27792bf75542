"""The fields of an options model make the flags, the help, the checks and the tables of the docs."""

import re
from functools import reduce
from typing import Annotated

import numpy as np
import pytest
from pydantic import TypeAdapter

from audit.errors import UsageError
from audit.options.audits import AuditRequest
from audit.options.command_line import given_options
from audit.options.comparisons import CompareRequest
from audit.options.schema import Options, choices_of, facts_of, option
from audit.run import parser
from docs.tools.command_line import fields

AUDIT = {"model": "x.pt", "probe": "emoji"}


@pytest.mark.parametrize("options", [AuditRequest, CompareRequest])
def test_every_field_has_help_and_a_row_in_the_docs(options):
    table = fields(options)
    for name, field in options.model_fields.items():
        assert field.description, name
        assert f"| `{name}` | `" in table
        assert facts_of(field)["task"] or field.description.endswith(".")


def test_a_new_field_is_a_flag_with_its_check_and_its_help():
    class Wider(AuditRequest):
        depth_of_field: float | None = option(None, "output", "in metres", metavar="M")

    from audit.options.command_line import options_parser

    parse = options_parser(("vlm-audit run [options]",), None, Wider)
    assert re.search(r"--depth-of-field M\s+in metres", parse.format_help_all())
    words = ["--model", "x.pt", "--probe", "emoji", "--depth-of-field", "2.5"]
    assert Wider(**given_options(parse.parse_args(words), Wider)).depth_of_field == 2.5
    with pytest.raises(UsageError, match=r"invalid depth of field 'far'.*--depth-of-field"):
        Wider(**AUDIT, depth_of_field="far")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"limit": "3"}, 3), ({"limit": np.int64(3)}, 3), ({"alpha": "5 %"}, 0.05), ({"alpha": np.float64(0.01)}, 0.01),
        ({"by": "race, gender"}, (("race", "gender"),)), ({"by": ["race", "gender"]}, (("race",), ("gender",))),
        ({"what_if": "all"}, ("all",)), ({"what_if": ["a", "b"]}, ("a", "b")), ({"bins": {"age": [18, 30]}}, ("age=18,30,",)),
    ],
    ids=str,
)  # fmt: skip
def test_python_and_command_line_are_read_alike(given, kept):
    [name] = given
    assert getattr(AuditRequest(**AUDIT, **given), name) == kept


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"limit": "many"}, "invalid limit 'many': expected a whole number of at least 1"),
        ({"limit": 0}, "invalid limit 0: expected a whole number of at least 1"), ({"limit": True}, "invalid limit True: expected a whole"),
        ({"alpha": 0.5}, "invalid alpha 0.5: expected 0.0001 ≤ x < 0.5"), ({"tolerance": float("nan")}, "expected 0 ≤ x < 1"),
        ({"tolerance": 10**400}, "invalid tolerance of type int: expected 0 ≤ x < 1"), ({"no_cache": "yes"}, "expected True or False"),
        ({"dtype": "int8"}, "invalid dtype 'int8': expected one of 'float32', 'bfloat16' or 'float16'"),
        ({"fail_on": 1}, "invalid fail on 1: expected a string"), ({"out": 3}, "invalid out 3: expected a path"),
        ({"alpah": 3}, "unknown option 'alpah'\nfix: did you mean alpha?"), ({"ratio_tolerance": 1}, "expected a number above 1"),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_is_named_with_what_is_expected(given, expected):
    with pytest.raises(UsageError) as refused:
        AuditRequest(**AUDIT, **given)
    assert expected in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 2


def test_a_number_on_a_command_line_that_is_none_is_a_usage_error(capsys):
    from audit.run import main

    assert main(["--model", "x.pt", "--probe", "emoji", "--limit", "many"]) == 2
    assert capsys.readouterr().err == "error[E2] invalid limit 'many': expected a whole number of at least 1 (--limit)\n"


def test_the_flags_offer_what_the_fields_take():
    assert choices_of(AuditRequest.model_fields["dtype"]) == ("float32", "bfloat16", "float16")
    assert choices_of(AuditRequest.model_fields["device"]) is None


def test_options_are_frozen_and_their_words_ask_for_the_same():
    request = AuditRequest(**AUDIT, limit=3, alpha="1%", what_if=["a", "b"])
    with pytest.raises(ValueError, match="frozen"):
        request.limit = 4
    words = request.words("vlm-audit run")[1:]
    assert AuditRequest(**given_options(parser().parse_args(list(words)), AuditRequest)) == request
    assert isinstance(request, Options)


@pytest.mark.parametrize("options", [AuditRequest, CompareRequest])
def test_none_is_an_option_that_was_not_given(options):
    """As where a function hands on what it got: ``audit(..., data=None)``."""
    for name, field in options.model_fields.items():
        if field.default is None:
            kind = reduce(lambda kind, validator: Annotated[kind, validator], field.metadata, field.annotation)
            assert TypeAdapter(kind, config={"arbitrary_types_allowed": True}).validate_python(None) is None, name
