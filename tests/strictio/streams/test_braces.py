"""Braces are expanded as by bash; where bash leaves a brace unchanged, they are refused."""

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strictio.errors import UsageError
from strictio.streams.braces import expanded_names

BASH = shutil.which("bash")
needs_bash = pytest.mark.skipif(BASH is None, reason="needs bash")
PATTERNS = [
    "shard-{000000..000012}.tar", "a{8..11}.tar", "{08..10}", "{8..010}", "{0..3}", "{3..1}.tar", "{-2..2}", "{-02..1}", "{1..-01}",
    "{0..10..3}", "{10..0..3}", "{0..10..-3}", "{1..3..0}", "{01..10..4}", "{5..5}", "{a..e}", "{e..a..2}", "{A..C}x{c..a}",
    "{a,b}.tar", "{val,test}/{0..1}.tar", "{0..1}{a,b}", "{a,b}{0..1}", "x{,.old}", "x{a,}y", "x{a,b{1..3},{c,d}e}y", "{{1..2},{a,b}}",
    "{1..3,5}", "no-braces.tar", "a,b", "https://example.org/{0..1}.tar?x=1,2",
]  # fmt: skip
MALFORMED = [
    "{a}.tar",
    "{}",
    "}{.tar",
    "{a,b",
    "a}",
    "{a,b}}",
    "{{a,b}}",
    "{1..}",
    "{1..a}",
    "{a..3}",
    "{1...3}",
    "{1..2..3..4}",
    "{+1..3}",
]


def by_bash(texts: list[str]) -> list[list[str]]:
    """Return the words that bash makes of each text, which holds nothing else that it would change."""
    script = "".join(f"printf '%s\\n' x{text}; echo\n" for text in texts)
    out = subprocess.run([BASH, "--norc", "--noprofile", "-c", "set -f\n" + script], capture_output=True, text=True, check=True).stdout
    return [[word[1:] for word in block.split("\n") if word] for block in out.split("\n\n")[: len(texts)]]


@needs_bash
def test_a_text_stands_for_the_words_that_bash_makes_of_it():
    assert dict(zip(PATTERNS, map(expanded_names, PATTERNS), strict=True)) == dict(zip(PATTERNS, by_bash(PATTERNS), strict=True))


@pytest.mark.slow
@needs_bash
@given(st.lists(st.text("{},.019-ab", max_size=14), min_size=50, max_size=50))
@settings(max_examples=20)
def test_what_is_accepted_is_expanded_as_by_bash_and_what_is_refused_keeps_a_brace_there(texts):
    for text, words in zip(texts, by_bash(texts), strict=True):
        try:
            names = expanded_names(text)
        except UsageError:
            assert any(set("{}") & set(word) for word in words) or len(words) > 1000
        else:
            assert names == words


@pytest.mark.parametrize("text", MALFORMED)
def test_braces_that_mean_nothing_are_refused(text):
    with pytest.raises(UsageError, match="malformed braces"):
        expanded_names(text)


@pytest.mark.slow_except("{0..99999999}.tar", "{0..999}{0..999}", "{1..999999999999999999}")
@pytest.mark.parametrize("text", ["{0..99999999}.tar", "{0..999}{0..999}", "{a,b}" * 40, "{1..999999999999999999}"])
def test_a_text_that_stands_for_too_many_names_is_refused_at_once(text):
    with pytest.raises(UsageError, match="more than 100,000 files"):
        expanded_names(text)


def test_braces_within_braces_without_end_are_refused():
    with pytest.raises(UsageError, match="malformed braces"):
        expanded_names("{" * 100_000)
