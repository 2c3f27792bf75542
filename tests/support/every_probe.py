"""What the tests of every probe share: its made-up data, and the probe asked with few claims, templates, drawings and draws.

Whether a stereotyper is found does not depend on how many there are; what an audit costs does.
"""

from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

import probes
from audit.api import pipeline
from probes.prompts import emoji_drawings
from probes.prompts.emoji_roles import ROLES

TESTS = Path(__file__).parents[1]
CLAIMS, TEMPLATES, DRAWS = 2, 3, 499
ROLES_DRAWN = frozenset((*ROLES[::4], "unknown"))


def made_data(name, folder):
    """Write made-up data of the layout of a probe; return their module, the arguments that name them, and where they are."""
    folder.mkdir()
    [file] = (*TESTS.glob(f"probes/made/{name}.py"), *TESTS.glob(f"extensions/*/made/{name}.py"))
    made = import_module(".".join(("tests", *file.relative_to(TESTS).with_suffix("").parts)))
    arguments = made.make(folder)
    return made, arguments, arguments[arguments.index("--data") + 1] if "--data" in arguments else None


@contextmanager
def asked_with_less():
    """Let every probe of this process be asked with less, by command and from Python."""
    get, named, run_audit = probes.get, emoji_drawings.drawing_names, pipeline.run_audit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "get", lambda name: _with_less(get(name)))
        patch.setattr(emoji_drawings, "drawing_names", lambda folder: _few_roles(named(folder)))
        patch.setattr(pipeline, "run_audit", lambda request: run_audit(request.model_copy(update={"draws": min(request.draws, DRAWS)})))
        yield


def _with_less(probe):
    plans = tuple(replace(plan, specifications=plan.specifications[:TEMPLATES], embedded_only=()) for plan in probe.specifications)
    analyses = tuple(_with_fewer_pictures(plan) if hasattr(plan, "corruptions") else plan for plan in probe.analyses)
    measurements = tuple(replace(measurement, claims=_few_claims(measurement.claims)) for measurement in probe.measurements)
    fitted = probe.fitted and (lambda dataset: _with_less(probe.fitted(dataset)))
    return replace(probe, specifications=plans, analyses=analyses, measurements=measurements, fitted=fitted)


def _with_fewer_pictures(plan):
    """Of the size that they have: at 224 pixels each of the published corruptions takes seconds."""
    return replace(plan, corruptions=plan.corruptions[:1], parameters="harmless")


def _few_claims(claims):
    return tuple(claim for place, claim in enumerate(claims) if claim.primary or place < CLAIMS)


def _few_roles(names):
    return {stem: shown for stem, shown in names.items() if shown[0] in ROLES_DRAWN}
