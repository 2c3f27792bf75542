"""A page as a person reads it."""

import html
import re


def text_of(page):
    """Return what a person reads: no style sheet, no tags, entities resolved, one kind of blank."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())
