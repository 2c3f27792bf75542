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

_FAULTS = """async ([scheme, rules]) => {
    const behind = new Map([[null, ""]]), seen = {};
    const backgrounds = element => {
        if (!behind.has(element)) {
            const { backgroundColor, backgroundImage, opacity, filter, mixBlendMode } = getComputedStyle(element);
            const own = [backgroundColor, backgroundImage, opacity, filter, mixBlendMode].join();
            behind.set(element, backgrounds(element.parentElement) + (own === "rgba(0, 0, 0, 0),none,1,none,normal" ? "" : own + ";"));
        }
        return behind.get(element);
    };
    const hasText = element => element.matches("input, select, textarea")
        || [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
    const isSeen = (element, { width, height }) => width > 1 && height > 1 && element.checkVisibility({ visibilityProperty: true });
    const isOneOfSix = element => {
        const { color, fontSize, fontWeight, textShadow } = getComputedStyle(element);
        const style = [element.tagName, element.className, color, fontSize, fontWeight, textShadow, backgrounds(element)].join("|");
        seen[style] = (seen[style] || 0) + 1;
        return seen[style] <= 6;
    };
    const texts = [...document.body.querySelectorAll("*")]
        .filter(element => hasText(element) && isSeen(element, element.getBoundingClientRect()) && isOneOfSix(element));
    // To describe what it does not find takes axe as long as to look.
    const faults = async (where, options) => (await axe.run(where, { resultTypes: ["violations"], ...options })).violations
        .map(({ id, nodes }) => ({ id, elements: nodes.map(node => node.html) }));
    const contrast = await faults({ include: texts }, { runOnly: ["color-contrast"] });
    const others = { rules: { "color-contrast": { enabled: false } }, ...(rules ? { runOnly: rules } : {}) };
    return scheme === "dark" ? contrast : [...contrast, ...await faults(document, others)];
}"""
"""Contrast depends on the style of a text and on what is behind it: of those of one tag and class that share both, axe sees six."""


def faults(page, scheme, rules=None):
    """Return what axe finds in one colour scheme: all of `rules` (None: all there are) in light, in dark what colours can change.

    A fault has its rule as `id` and the HTML of its `elements`.
    """
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe is not installed (pip install --editable '.[dev]')")
    page.emulate_media(color_scheme=scheme)
    page.evaluate(_SIX_OF_A_KIND)
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(axe.AXE_SCRIPT)
    return page.evaluate(_FAULTS, [scheme, rules])
