"""Audits from Python: ``audit.audit(model=..., probe=...)`` and ``audit.load(DIR)``. Prints nothing, never exits, raises `AuditError`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit import outputs
from audit.errors import DataError, UsageError, nearest
from audit.finished import Clock, put_together, write
from audit.results import Finding, Results, Verdict
from audit.types import Answerer, Encoder, LoadOptions, Probe, Settings

if TYPE_CHECKING:
    import pandas as pd
    from fairlearn.metrics import MetricFrame

    from audit.engine import Audited


@dataclass(frozen=True, repr=False)
class Audit:
    """A finished audit: everything that the report shows, as values and as data frames."""

    results: Results
    audited: tuple[Audited, ...] = ()
    """What was made in this process; empty for an audit that was loaded."""
    directory: Path | None = None
    """Where a loaded audit stands."""

    @property
    def verdict(self) -> Verdict:
        """The worst verdict over the audits of this run."""
        found = {each.verdict for each in self.results.audits}
        if "disparity" in found or len(found) > 1:
            return "disparity" if "disparity" in found else "inconclusive"
        return found.pop()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding, in the order of the audits and of their claims."""
        return tuple(finding for each in self.results.audits for finding in each.findings)

    @property
    def metrics(self) -> pd.DataFrame:
        """One row a finding: verdict, gap with interval, noise floor, p; fractions between 0 and 1, NaN where not estimable."""
        return _frame(self.results, "gaps.csv")

    def by_group(self) -> pd.DataFrame:
        """Return one row a finding and group: n, events, rate with interval, status."""
        return _frame(self.results, "rates.csv")

    def samples(self) -> pd.DataFrame:
        """Return one row an image and measurement: id, attributes, y_true, y_pred, scores. No pixels.

        Raises
        ------
        DataError
            If the audit was loaded and its predictions.parquet is gone.
        """
        import pandas as pd

        if self.audited:
            made: pd.DataFrame = outputs.predictions_table((each.result, each.predictions) for each in self.audited).to_pandas()
            return made
        path = (self.directory or Path()) / "predictions.parquet"
        if not path.is_file():
            raise DataError("the predictions of this audit are gone", where=path.name, fix="run the audit again")
        return pd.read_parquet(path)

    def metric_frame(self, finding: str, audit: int = 0) -> MetricFrame:
        """Return fairlearn's `MetricFrame` of a finding, on one row an image: its metric in its groups.

        Parameters
        ----------
        finding : str
            Its id, such as ``"gender/accuracy/race"``.
        audit : int
            Which audit of the run.

        Raises
        ------
        UsageError
            If there is no such finding.
        """
        from audit.statistics.frames import row_frame

        result = self.results.audits[audit]
        found = {each.id: each for each in result.findings}
        if finding not in found:
            raise UsageError(f"no finding {finding!r}", fix=nearest(finding, found))
        rows = self.samples()
        wanted = found[finding]
        rows = rows[
            (rows["model"] == result.model.name) & (rows["probe"] == result.probe.name) & (rows["measurement"] == wanted.measurement)
        ]
        outcomes = next(each.outcomes for each in result.measurements if each.name == wanted.measurement)
        outcome = None if wanted.outcome is None else frozenset(outcomes[wanted.outcome])
        return row_frame(rows[list(wanted.attributes)], rows["y_true"], rows["y_pred"], wanted.metric, outcome)

    def to_html(self) -> str:
        """Return the report, one self-contained page."""
        from reports.render import render

        return render(self.results)

    def save(self, directory: str | Path) -> Path:
        """Write everything that the command would leave behind, and return the path of the report.

        Raises
        ------
        UsageError
            If the folder holds other things.
        MachineError
            If it cannot be written.
        """
        if not self.audited:
            raise UsageError("an audit that was loaded is already saved", fix="copy its directory")
        path = Path(directory)
        outputs.check_writable(path)
        outputs.open_directory(path)
        status = "failed"
        try:
            write(path, self.results, self.audited)
            status = "complete"
        finally:
            outputs.close(path, status)
        return path / "report.html"

    def __repr__(self) -> str:
        parts = [f"{each.model.name} x {each.probe.name}: {each.verdict}" for each in self.results.audits]
        return f"<Audit {'; '.join(parts)}>"

    def _repr_html_(self) -> str:
        from reports.card import card

        return card(self.results)


def audit(
    model: str | Encoder | Sequence[str | Encoder],
    probe: str | Probe | Sequence[str | Probe],
    *,
    data: str | None = None,
    settings: Settings | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    batch_size: int = 32,
    cache_root: str | Path | None = None,
    what_ifs: Sequence[str] = (),
) -> Audit:
    """Audit models with probes.

    Parameters
    ----------
    model : str or Encoder, or a sequence of them
        As `--model` takes it, or an object of your own with `record`, `encode_images` and `encode_texts`.
    probe : str or Probe, or a sequence of them
        The name of a probe, a file with one, or a probe.
    data : str, optional
        As `--data`; None: what the probe names.
    settings : Settings, optional
        Error rate, tolerance, smallest group, seed, limit.
    device, dtype, batch_size
        As the flags of the same names.
    cache_root : str or Path, optional
        Where embeddings are kept; None: where the command keeps them.
    what_ifs : sequence of str
        As `--what-if`.

    Returns
    -------
    Audit

    Raises
    ------
    AuditError
        Of the class that says whose fault it is; its `exit_code` is what the command would have ended with.
    """
    from audit.cache import default_root
    from audit.engine import audit as run_audit

    clock, settings = Clock.start(), settings or Settings()
    root = default_root() if cache_root is None else Path(cache_root)
    probes = [_probe(each) for each in _several(probe)]
    datasets = [_data(each, data, settings) for each in probes]
    audited = tuple(
        run_audit(encoder, each, dataset, settings, cache_root=root, batch_size=batch_size, what_ifs=what_ifs)
        for encoder in map(lambda each: _encoder(each, device, dtype), _several(model))  # noqa: C417  # one model in memory at a time
        for each, dataset in zip(probes, datasets, strict=True)
    )
    ran_on = {"device": device, "dtype": dtype}
    return Audit(put_together(audited, settings, (), ran_on, clock.timing()), audited)


def load(directory: str | Path) -> Audit:
    """Return the finished audit in a directory.

    Raises
    ------
    DataError
        If there is no results.json in it, or it is not one.
    """
    from reports.render import read

    return Audit(read(Path(directory)), directory=Path(directory))


def _frame(results: Results, name: str) -> pd.DataFrame:
    import io

    import pandas as pd

    from reports.tables import tables

    return pd.read_csv(io.StringIO(tables(results)[name]), keep_default_na=False, na_values=[""], true_values=["yes"], false_values=["no"])


def _several(one: Any) -> Sequence[Any]:
    return one if isinstance(one, (list, tuple)) else [one]


def _probe(probe: str | Probe) -> Probe:
    import probes

    return probes.get(probe) if isinstance(probe, str) else probe


def _encoder(model: str | Encoder, device: str, dtype: str) -> Encoder | Answerer:
    from audit.encoders import load as load_encoder

    return load_encoder(model, device=device, dtype=dtype) if isinstance(model, str) else model


def _data(probe: Probe, data: str | None, settings: Settings) -> Any:
    from audit.data.sample import stratified

    dataset = probe.load(LoadOptions(data))
    if len(dataset.images) == 0:
        raise DataError(f"the data of probe {probe.name!r} has no images", fix="give another data=")
    return dataset if settings.limit is None else stratified(dataset, settings.limit, settings.seed)
