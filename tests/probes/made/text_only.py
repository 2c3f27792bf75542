"""`text_only` brings its own texts, and looks at no image."""

from tests.support.text_towers import TOWERS

MODELS = f"{TOWERS}\n\nStereotyper = TextStereotyper\n"


def make(folder):
    """Return no further argument: nothing is needed."""
    return []
