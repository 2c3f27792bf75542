"""Every probe on made-up data of its layout: a planted stereotyper is found, and a model that treats all alike is not.

Three seeds of each every night, and 20 by ``make calibrate``.
"""

import sys
from collections import Counter

import pytest

import audit
import probes
from reports.text.headline import headline_of
from tests.support.every_probe import asked_with_less, made_data
from tests.support.planted import SEEDED

FOUND, ALARMS, ALARMS_OF_ALL = {3: 2, 20: 17}, {3: 1, 20: 4}, 0.07
alarms: Counter[str] = Counter()
"""Of 20 null models, by probe, for the test of all."""
of_each = pytest.mark.parametrize("seeds", [pytest.param(3, marks=pytest.mark.slow), pytest.param(20, marks=pytest.mark.calibration)])


@pytest.fixture(scope="module", autouse=True)
def _asked_with_less():
    with asked_with_less():
        yield


def kinds_of_headlines(name, folder, seeds, *, null):
    """Audit the model of every seed, and return how the audits ended."""
    made, _, data = made_data(name, folder / "data")
    kinds = []
    for seed in range(seeds):
        if hasattr(made, "seeded"):
            model = made.seeded(seed, null=null)
        else:
            model = folder / f"seed_{seed}.py"
            model.write_text(getattr(made, "SEEDED", SEEDED).format(probe=name, data=data, seed=seed, null=null))
            model = f"{model}:Model"
        done = audit.audit(model=model, probe=name, data=data, no_cache=True)
        said = headline_of(done.results.audits[0], done.results.settings)
        visible = said.kind in ("exploratory", "unresponsive", "not estimable") and said.signal.startswith("Not planned, but visible: ")
        kinds.append("visible" if visible else said.kind)
    sys.stdout.write(f"{name}, {'null' if null else 'stereotyper'}: {dict(Counter(kinds))}\n")
    return kinds


def is_alarm(kind):
    return kind in ("disparity", "visible")


@of_each
@pytest.mark.parametrize("name", probes.names())
def test_a_stereotyper_is_found_for_nearly_every_seed(name, seeds, tmp_path):
    kinds = kinds_of_headlines(name, tmp_path, seeds, null=False)
    assert sum(map(is_alarm, kinds)) >= FOUND[seeds]


@of_each
@pytest.mark.parametrize("name", probes.names())
def test_a_null_model_is_rarely_accused(name, seeds, tmp_path):
    found = sum(map(is_alarm, kinds_of_headlines(name, tmp_path, seeds, null=True)))
    if seeds == 20:
        alarms[name] = found
    assert found <= ALARMS[seeds]


@pytest.mark.calibration
def test_null_models_of_all_probes_are_rarely_accused():
    if set(alarms) != set(probes.names()):
        pytest.skip("adds up the tests of all probes, which have not run in this process")
    sys.stdout.write(f"{alarms.total()} of {20 * len(alarms)} null models accused\n")
    assert alarms.total() <= ALARMS_OF_ALL * 20 * len(alarms)
