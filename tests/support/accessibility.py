"""What axe finds wrong with a page in a browser, looking at six of a kind."""

import pytest

SCHEMES = ("light", "dark")
_SIX_OF_A_KIND = """document.querySelectorAll("main, main *").forEach(parent => {
    const seen = {};
    for (const child of [...parent.children]) {
        const kind = child.tagName + "." + child.className;
        seen[kind] = (seen[kind] || 0) + 1;
        if (seen[kind] > 6 && !/^(TD|TH|COL|H\\d|SVG|G|RECT|PATH|TEXT|LINE|OPTION)$/i.test(child.tagName)) child.remove();
    }
});
const tokens = {};
for (const token of document.querySelectorAll("pre span, code span")) {
    const style = getComputedStyle(token), block = getComputedStyle(token.closest("pre, code"));
    const kind = [style.color, style.backgroundColor, style.fontSize, style.fontWeight, block.backgroundColor].join();
    tokens[kind] = (tokens[kind] || 0) + 1;
    if (tokens[kind] > 6 && !token.children.length) token.remove();
}"""
"""Rows of a table, cards of a list and tokens of code in one colour are alike: axe takes long for each, and pages have hundreds."""


def faults(page, scheme, rules=None):
    """Return what axe finds in one colour scheme: all of `rules` (None: all there are) in light, in dark what colours can change."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed (pip install --editable '.[dev]')")
    page.emulate_media(color_scheme=scheme)
    page.evaluate(_SIX_OF_A_KIND)
    only = ["color-contrast"] if scheme == "dark" else rules
    # To describe what it does not find takes axe as long as to look.
    return axe.Axe().run(page, options={"resultTypes": ["violations"], **({"runOnly": only} if only else {})})
