"""How each option about logs can be given."""

from tests.extensions.logs.conftest import LM_EVAL, MADE

_LOGGED = {"attributes": "race,gender", "min_group_size": 5}
_EPOCHS = {**_LOGGED, "predictions": MADE / "epochs.eval"}
OPTIONS = {
    "scorer": ({**_EPOCHS, "epoch": "1"}, "match"), "epoch": ({**_EPOCHS, "scorer": "match"}, "all"),
    "filter": ({**_LOGGED, "predictions": LM_EVAL["faces_words"]}, "strict"),
    "unfinished": ({**_LOGGED, "min_group_size": 2, "predictions": MADE / "broken.eval"}, True),
    "chosen_samples": ({**_LOGGED, "predictions": MADE / "people.eval"}, True),  # what it does is tested in test_inspect.py
}  # fmt: skip
