"""A page as a person reads it, and as a browser does."""

import html
import re
from html.parser import HTMLParser


def text_of(page):
    """Return what a person reads: no style sheet, no tags, entities resolved, one kind of blank."""
    body = re.sub(r"<style>.*?</style>|<wbr>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def without_breaks(page):
    """Return a page without the elements around long runs, which a name has by its length alone."""
    return re.sub(r'<span class="long(?: huge)?">([^<]*)</span>', r"\1", page)


class Walk(HTMLParser):
    """Every element with the names of its attributes, in order; and every attribute's value."""

    def __init__(self, text):
        super().__init__()
        self.shape, self.values = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.shape.append((tag, *(name for name, _ in attrs)))
        self.values += [(tag, name, value) for name, value in attrs]

    def all(self, name):
        return [value for _, attribute, value in self.values if attribute == name]
