"""What the extension declares, and its settings say, are the same."""

import pytest

from audit.errors import UsageError
from audit.extensions.endpoint import OPTIONS
from audit.extensions.endpoint.settings import AUTO, KEY_VARIABLE, MODES
from audit.options.audits import AuditRequest
from audit.options.schema import choices_of
from audit.run import parser

OF_NAME = {option.name: option for option in OPTIONS}


def test_the_flags_offer_the_modes_and_name_the_variable():
    assert choices_of(AuditRequest.model_fields["answer_mode"]) == OF_NAME["answer_mode"].choices == (AUTO, *MODES)
    assert f"(default: {KEY_VARIABLE})" in OF_NAME["api_key_from"].help


def test_the_options_stand_under_a_heading_of_their_own():
    heading = "for a model behind an endpoint (--model api:NAME):\n  --base-url URL"
    assert heading in parser().format_help_all()


def test_all_that_follows_the_scheme_is_the_servers_name():
    def planned(model):
        return AuditRequest(model=model, probe="text_only", base_url="http://localhost:8000/v1").served_plan(model)

    chat, texts = planned("api:qwen2.5vl:7b"), planned("text:api:bge-m3")
    assert (chat.name, chat.form) == ("qwen2.5vl:7b", "endpoint at localhost:8000 (OpenAI's chat form)")
    assert (texts.name, texts.manner) == ("bge-m3", None)
    with pytest.raises(UsageError, match="unknown model spec: 'text:api: '"):
        planned("text:api: ")
