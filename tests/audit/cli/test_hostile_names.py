"""Names of files, models and probes that would be markup, a formula or a command: the report has them as text (acceptance D2)."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest

import audit
from tests.support.command import command
from tests.support.page_text import without_breaks

MARKUP = '"><img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}'


@dataclass
class Page(HTMLParser):
    """Counts elements and attributes, and keeps the text."""

    elements: dict = field(default_factory=dict)
    handlers: list = field(default_factory=list)
    text: str = ""

    def __post_init__(self):
        super().__init__()

    def handle_starttag(self, tag, attributes):
        self.elements[tag] = self.elements.get(tag, 0) + 1
        self.handlers += [name for name, _ in attributes if name.startswith("on")]

    def handle_data(self, text):
        self.text += text


def parsed(path):
    page = Page()
    page.feed(without_breaks(path.read_text("utf-8")))
    return page


@pytest.mark.slow
def test_a_report_has_hostile_names_as_text_and_no_element_more(tmp_path, checkpoint, faces, short):
    pages = []
    for place, (model, probe) in enumerate((("plain", "plain"), (MARKUP.replace("/", ":"), MARKUP))):
        folder = tmp_path / str(place)
        folder.mkdir()
        (folder / f"{model}.pt").write_bytes(checkpoint.read_bytes())
        source = f"from dataclasses import replace\nfrom probes import get\nPROBE = replace(get({str(short)!r}), name={probe!r})\n"
        (folder / "mine.py").write_text(source)
        done = command("--model", f"{model}.pt", "--probe", "mine.py", "--data", faces, "--out", "out", "--min-group-size=5", cwd=folder)
        assert done.returncode == 0, done.stderr
        pages.append(parsed(folder / "out" / "report.html"))
        assert audit.load(folder / "out").results.audits[0].probe.name == probe
    plain, hostile = pages
    assert hostile.elements == plain.elements
    assert hostile.handlers == plain.handlers == []
    assert "{{7*7}}" in hostile.text
    assert "<img src=x" in hostile.text
    default = command("--model", f"{model}.pt", "--probe", "mine.py", "--data", faces, cwd=folder)
    [made] = (folder / "audits").iterdir()
    assert (default.returncode, made.name.replace("-", "").isascii(), "<" in made.name) == (0, True, False)
