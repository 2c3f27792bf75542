"""What the pages of help say is true: messages exist and end as described, numbers and flags are those of the program."""

import ast
import re
from functools import cache

import numpy as np
import pytest
from PIL import Image

from audit.statistics.power import detectable_difference
from docs.tools import command_line
from docs.tools.generated import BLOCKS
from tests.support import documented
from tests.support.command import command
from tests.support.house import PACKAGES, ROOT
from tests.support.tiny import write_checkpoint

DOCS = ROOT / "docs"
TROUBLE = (DOCS / "troubleshooting.md").read_text("utf-8")
FAQ = (DOCS / "faq.md").read_text("utf-8")
MESSAGES = re.findall(r"^### `(.+)`$", TROUBLE, re.MULTILINE)

ANSWERS = "race,y_true,y_pred\na,yes,yes\nb,no,no\n"
IMAGES = "image,class,gender\na.png,cup,man\nb.png,boat,woman\n"
PREDICTIONS = ("--predictions", "t.csv")
MODEL = ("--model", "ckpt.pt", "--probe", "zeroshot", "--data", "t.csv")
TRIED = {
    "no probe …": (2, IMAGES, (*MODEL[:3], "zeroshto")),
    "--… is missing": (2, IMAGES, MODEL[:2]),
    "… cannot be used with …": (2, ANSWERS, (*PREDICTIONS, "--limit", "10")),
    "--by requires --probe": (2, ANSWERS, (*PREDICTIONS, "--by", "race")),
    "no question is called …": (2, ANSWERS, (*PREDICTIONS, "--fail-on", "gap[acuracy by race] > 0.1")),
    "… is outside 0 to 1": (2, ANSWERS, (*PREDICTIONS, "--fail-on", "gap > 10")),
    "no file …": (3, ANSWERS, ("--predictions", "nothere.csv")),
    "… has no column 'y_pred'": (3, IMAGES, PREDICTIONS),
    "… has no attribute column": (3, "y_pred\nyes\nno\n", PREDICTIONS),
    "… value missing in the column 'y_pred'": (3, "race,y_pred\na,yes\nb,\n", PREDICTIONS),
    "… write their labels differently": (3, "race,y_true,y_pred\na,Yes,yes\nb,no,no\n", PREDICTIONS),
    "… with a repeated identifier": (3, "id,race,y_pred\n1,a,yes\n1,b,no\n", PREDICTIONS),
    "… is not UTF-8": (3, "race,y_pred\na,jos\xe9\nb,no\n", PREDICTIONS),
    "… is ragged": (3, "race,y_true,y_pred\na,yes\nb,no,no\n", PREDICTIONS),
    "… has no image column": (3, IMAGES.replace("image", "painting"), MODEL),
    "none of the … images of … exists": (3, IMAGES.replace("png", "jpg"), MODEL),
    "… has no column of classes": (3, IMAGES.replace("class", "sort"), MODEL),
    "undeclared value … in the column …": (3, "image,thing,hand\na.png,cup,lefft\n", (*MODEL[:3], "cups.py", *MODEL[4:])),
    "no such file or folder: …": (3, IMAGES, ("--model", "nothere.pt", *MODEL[2:])),
    "the hub cannot be reached, and the model … is not on this machine": (5, IMAGES, ("--model", "hf:no/such", *MODEL[2:])),
    "the file is a Git-LFS pointer, not the model itself": (3, IMAGES, ("--model", "lfs.pt", *MODEL[2:])),
    "the file is an HTML page, not a model": (3, IMAGES, ("--model", "page.pt", *MODEL[2:])),
    "--base-url is missing": (2, IMAGES, ("--model", "api:mine", *MODEL[2:])),
    "--out … holds other things": (2, ANSWERS, (*PREDICTIONS, "--out", "mine")),
}
"""Message: exit code, the table t.csv, the arguments that lead to it."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    write_checkpoint(folder / "ckpt.pt", seed=0)
    (folder / "lfs.pt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    (folder / "page.pt").write_text("<!DOCTYPE html><html><body>Sign in</body></html>")
    (folder / "cups.py").write_text(documented.code("cups.py"))
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8)).save(folder / name)
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.txt").write_text("years of work")
    return folder


@pytest.mark.parametrize("message", TRIED)
def test_a_message_appears_as_the_page_says(message, place, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, table, words = TRIED[message]
    (place / "t.csv").write_bytes(table.encode("latin-1"))
    ended = command(*words, cwd=place)
    pattern = ".+".join(re.escape(part) for part in message.strip("…").split("…"))
    assert re.search(rf"^error\[E{code}\] .*{pattern}", ended.stderr, re.MULTILINE), ended.stderr
    assert ended.returncode == code
    assert re.search("^fix: ", ended.stderr, re.MULTILINE)


def test_the_page_has_every_message_that_was_tried():
    assert set(TRIED) <= set(MESSAGES)
    assert len(MESSAGES) == len(set(MESSAGES)) >= 30


@cache
def raised() -> str:
    """The first argument of every error in the code, one per line, with … for each value that it inserts."""
    calls = (
        node
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call | ast.Assign)
    )
    arguments = (node.args[0] if isinstance(node, ast.Call) and node.args else getattr(node, "value", None) for node in calls)
    return "\n".join(text for argument in arguments if (text := literal(argument)))


def literal(node: ast.AST | None) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    parts = node.values if isinstance(node, ast.JoinedStr) else ()
    return "".join(literal(part) if isinstance(part, ast.Constant) else "…" for part in parts)


@pytest.mark.slow
@pytest.mark.parametrize("message", [message for message in MESSAGES if message not in TRIED])
def test_a_message_that_needs_another_machine_is_in_the_code(message):
    assert message.strip("… ") in raised()


def test_a_message_that_is_not_in_the_code_would_be_noticed():
    assert "the moon is in the wrong phase" not in raised()


@pytest.mark.parametrize("page", ["faq.md", "troubleshooting.md", "tutorial.md", "install.md", "index.md"])
def test_every_flag_that_a_page_names_exists(page):
    known = {flag for parser in command_line.parsers().values() for action in parser._actions for flag in action.option_strings}
    known |= {"--editable", "--index-url", "--local-dir"}  # of pip and hf
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", (DOCS / page).read_text("utf-8"))) <= known


@pytest.mark.parametrize("n", [100, 1000])
def test_the_detectable_gaps_of_the_faq_are_those_of_the_program(n):
    points = 100 * detectable_difference(np.array([n, n]) * 9 // 10, np.array([n, n]), 0.05)
    assert re.search(rf"{n:,} images per group[^;.]* about {points:.0f} points", FAQ)


def test_the_glossary_has_every_term_of_the_report_and_explains_what_pages_do_not():
    html = (ROOT / "reports" / "sections" / "provenance" / "glossary.html").read_text("utf-8")
    glossary = BLOCKS["glossary"]()
    terms = re.findall("<dt>(.*?)</dt>", html)
    assert re.findall("^## (.*)$", glossary, re.MULTILINE) == sorted(terms, key=str.casefold)
    assert {"Planned", "Exploratory", "True, false positive rate (TPR, FPR)"} <= set(terms)
    assert all(meaning in glossary for meaning in re.findall("<dd>(.*?)</dd>", html))


@pytest.mark.parametrize("page", [page for page in documented.PAGES if page.name != "README.md"], ids=lambda page: page.stem)
@pytest.mark.parametrize("term", [r"planned(\]\([^)]*\))? (question|gap|change)", "exploratory", "positive rate"])
def test_a_page_explains_the_terms_of_statistics_where_it_first_uses_them(page, term):
    """The method defines them itself; the other pages link the glossary."""
    text = re.sub(r"^```.*?^```|<!--.*?-->", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    first = re.search(rf"(?<![`\w-]){term}", text, re.IGNORECASE)
    if page.name not in ("method.md", "gallery.md") and first:
        at = first.start()
        assert re.match(r"[^\[\]]*\]\([./]*glossary\.md#", text[at:]), text[at - 60 : at + 60]
