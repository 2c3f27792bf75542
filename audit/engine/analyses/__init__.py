"""Plans of an audit in, records out: one kind of question a module (`Analysis`), found by the class of its plans."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from audit.engine.analyses.inputs import Analysis, AnalysisInputs
from audit.plans import AnalysisPlan
from audit.records.inputs import TextSet
from audit.types import Dataset, Probe, Settings


def analysis_kinds() -> tuple[Analysis, ...]:
    """Return the module of each kind, in the order of their names."""
    modules: list[Any] = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return tuple(module for module in modules if hasattr(module, "PLAN"))


def check(probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Refuse what is wrong with the analyses of a probe before a model sees an image; UsageError."""
    for kind, plans in _asked(probe.analyses):
        kind.check(plans, probe, dataset, settings)


def prompts(plans: Sequence[AnalysisPlan]) -> Iterator[tuple[TextSet, Sequence[str]]]:
    """Give every text that the analyses need, with what it is for."""
    for kind, asked in _asked(plans):
        for plan in asked:
            yield from kind.prompts(plan)


def analyse(inputs: AnalysisInputs, *, generative: bool = False) -> dict[str, tuple[Any, ...]]:
    """Return field of the result -> what is found, of every kind that this kind of model can be asked."""
    return {kind.FIELD: kind.analyse(plans, inputs) for kind, plans in _asked(inputs.probe.analyses) if kind.GENERATIVE is generative}


def split(plans: Sequence[AnalysisPlan], *, generative: bool) -> tuple[tuple[AnalysisPlan, ...], tuple[AnalysisPlan, ...]]:
    """Return the plans that this kind of model can be asked, and the others."""
    able = [plan for kind, asked in _asked(plans) if kind.GENERATIVE is generative for plan in asked]
    return tuple(plan for plan in plans if plan in able), tuple(plan for plan in plans if plan not in able)


def _asked(plans: Sequence[AnalysisPlan]) -> Iterator[tuple[Analysis, list[AnalysisPlan]]]:
    for kind in analysis_kinds() if plans else ():
        if asked := [plan for plan in plans if isinstance(plan, kind.PLAN)]:
            yield kind, asked
