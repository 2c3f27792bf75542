"""Assembles the results of a finished comparison, and writes its files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version

from audit.comparison.engine import ComparedModels
from audit.errors import DataError
from audit.output import directory as outputs
from audit.output.publish import replacing_files
from audit.records.base import Timing
from audit.records.comparison import SCHEMA_VERSION, Comparisons, to_json
from audit.types import Settings
from audit.version import __version__
from reports.rendered import files_of_comparison

_PACKAGES = ("numpy", "scipy", "pandas")


def assemble_comparisons(compared: ComparedModels, settings: Settings, command: Sequence[str], timing: Timing) -> Comparisons:
    """Assemble the facts of one comparison: changes and circumstances. Raises DataError if nothing could be compared."""
    if not compared.comparisons:
        raise DataError("nothing could be compared", fix="audit both with the same probe")
    first = compared.sides[0]
    probes = dict.fromkeys(comparison.probe for comparison in compared.comparisons)
    return Comparisons(
        schema_version=SCHEMA_VERSION, status="complete", tool=f"vlm-audit {__version__}", command=tuple(command), settings=settings,
        family=compared.family, sides=tuple(side.side for side in compared.sides),
        probes=tuple(first.audits[probe].probe for probe in probes), comparisons=compared.comparisons, series=compared.series,
        notes=compared.notes, environment={name: version(name) for name in _PACKAGES} | {"python": sys.version.split()[0]}, timing=timing,
    )  # fmt: skip


def write(directory: outputs.OutputFolder, comparisons: Comparisons) -> None:
    """Write all files of a comparison; together they replace those of an earlier one."""
    with replacing_files(directory) as folder:
        outputs.write_text(outputs.COMPARISON, to_json(comparisons), folder)
        for name, text in files_of_comparison(comparisons).items():
            outputs.write_text(name, text, folder)
