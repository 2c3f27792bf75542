"""A gate names a question by what never changes, or by a title of a page."""

from audit.gates.parse import PlannedQuestion, gate_question, parse, resolve_gate, warn_of_mistakes


def test_a_title_of_a_page_works_with_a_warning_that_names_what_never_changes(caplog):
    question = gate_question(
        PlannedQuestion("role/accuracy/gender", "role", "accuracy", None, ("gender",), True, "high"), "Accuracy of roles"
    )
    for name in ("role.accuracy by gender", "role/accuracy/gender", "Accuracy of roles"):
        resolved = resolve_gate(parse(f"gap[{name}] > 0.1"), [question])
        assert resolved.finding == "role/accuracy/gender"
        warn_of_mistakes(resolved.gate, resolved)
    (record,) = caplog.records
    what = "'gap[Accuracy of roles] > 0.1' names its question by a title, whose words may change in a later version"
    assert record.getMessage().endswith(f"{what}: write role.accuracy by gender")
