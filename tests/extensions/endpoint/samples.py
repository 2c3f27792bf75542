"""A page with the section of an endpoint, and how each option of endpoints can be given."""

from reports.render import render
from tests.support import report_samples
from tests.support.asked import asked

PAGES = {"endpoint": lambda: render(report_samples.results(asked("inconclusive", refusal=10, unparsed=5)))}
_LOADED = {"model": "colours.py:Colours", "probe": "faces.py", "min_group_size": 5}
_VALUES = {
    "base_url": "http://localhost:9/v1", "api_key_from": "MY_KEY", "confirm_upload": True, "answer_mode": "text", "repeats": 2,
    "in_flight": 4, "patience": 1.5, "prices": "prices.toml", "max_cost": 2.5, "max_requests": 9, "answer_log": "answers.log",
    "replay": True,
}  # fmt: skip
OPTIONS = {name: (_LOADED, value) for name, value in _VALUES.items()}
"""Refused of a model that is loaded; what they do is tested beside this module."""
