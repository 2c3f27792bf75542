"""`tests.support.english` finds its phrases, and only where they are wrong; `make check` searches pages, docstrings and comments."""

import pytest

from tests.support import english


def test_a_phrase_is_found_with_its_line_in_each_kind_of_file(tmp_path):
    texts = {
        "a.py": 'def f():\n    """Write one file a\n    probe."""\n    # pins\n    # anew\n    raise OSError("ask whoever wrote it")\n',
        "b.md": "# Title\n\nIt pins anew.\n\n```sh\nrun anew  # whoever\n```\n",
        "c.html": "<style>\n.anew {}\n</style>\n<p>for want of {{ n }} pairs</p>\n",
        "e.ipynb": '{"cells": [{"cell_type": "markdown", "source": "# Title"}, {"cell_type": "code", "source": ["x = 1\\n", "# anew"]}]}',
        "d.toml": 'prompt = "a photo of somebody"  # nobody\n',
    }
    found = {}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        found[name] = sorted((finding.line, " ".join(finding.phrase.split())) for finding in english.search(tmp_path / name))
    assert found == {
        "a.py": [(2, "file a probe"), (5, "anew"), (6, "whoever")],
        "b.md": [(3, "anew"), (6, "whoever")],
        "c.html": [(4, "for want of")],
        "d.toml": [(1, "nobody")],
        "e.ipynb": [(3, "anew")],
    }


@pytest.mark.parametrize(
    "right",
    [
        "The model labels an image.",  # a verb, not a rate
        "The option `anew` and the message “drawn anew” are quoted.",
        "A proxy stands in for the server.",
        "> anew, in the words of somebody else",
        "There is no model in the folder.",
    ],
)
def test_a_phrase_is_left_alone_where_it_is_right(right, tmp_path):
    (tmp_path / "page.md").write_text(right)
    assert list(english.search(tmp_path / "page.md")) == []


@pytest.mark.parametrize(
    "wrong",
    [
        "one row an audit",
        "the embeddings that are there in",
        "what was asked",
        "Equally accurate whatever the age?",
        "both stand beside it",
        "is not shown to look at the images",
        "low rates must not differ 1.25 times either",
        "sound files",
        "3,000 letters",
        "draw the report again",
        "answer every claim",
        "the server asks for money",
        "# The house",
        "by the rule of “equivalent”",
        "chance explains the difference badly",
        "corrected for all 2 changes",
        "Claims were made by rule",
        "Two intervals do not compare two models",
        "Folded: what is open is printed",
        "turn the order around",
        "AuditError of the class that says whose fault it is",
    ],
)
def test_every_sentence_of_the_style_guide_is_found(wrong, tmp_path):
    (tmp_path / "page.md").write_text(wrong)
    assert list(english.search(tmp_path / "page.md"))


def test_the_command_counts_and_exits_with_one_at_a_finding(tmp_path, capsys):
    (tmp_path / "page.md").write_text("It pins anew.")
    assert english.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[-2:] == [f"{tmp_path}/page.md:1: 'anew': again, re-…", "1 phrases"]
    (tmp_path / "page.md").write_text("It re-pins.")
    assert english.main([str(tmp_path)]) == 0
