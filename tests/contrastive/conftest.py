"""What tests of training have in common: the synthetic images, prepared once."""

from functools import wraps

import pytest

from contrastive.data.pairs import LazyPairs
from contrastive.data.shapes import ShapeImages
from contrastive.training import inputs

PREPARED = {}
"""What of the synthetic images a step of their preparation made, by the step and all that it depends on."""


def _once(step):
    @wraps(step)
    def prepared(source, *rest, **named):
        if not isinstance(source, ShapeImages):
            return step(source, *rest, **named)
        key = step.__name__, source, *(getattr(each, "sha256", None) or repr(each) for each in rest)
        if key not in PREPARED:
            made = step(source, *rest, **named)
            if isinstance(made, LazyPairs):  # they remember what they have read
                return made
            PREPARED[key] = made
        return PREPARED[key]

    return prepared


@pytest.fixture(scope="module")
def shapes_prepared_once():
    """The synthetic images are drawn, tokenised and compared once for all runs of one process with the same settings.

    To prepare them takes as long as twenty steps of a small model. For tests of what is done with them: those of the data, of the commands
    and of processes of their own prepare them each time.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("load_pairs", "content_groups", "text_lengths", "_tokenizer"):
            patch.setattr(inputs, name, _once(getattr(inputs, name)))
        yield
