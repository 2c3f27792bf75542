"""`text_only` brings its own texts, and looks at no image."""

from tests.support.text_towers import TOWERS

MODELS = f"{TOWERS}\n\nStereotyper = TextStereotyper\n"
SEEDED = (
    TOWERS.replace("{", "{{").replace("}", "}}")
    + """

SEED = {seed}
Model = RandomTower if {null} else TextStereotyper
"""
)


def make(folder):
    """Return no further argument: nothing is needed."""
    return []
