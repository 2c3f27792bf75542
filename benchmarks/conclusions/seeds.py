"""Does the audit find the planted skew in every seed, and nothing in its controls?

Trains the recipes `emoji` (roles of women misnamed) and `emoji_balanced` with several seeds, audits each, and asks one question:
is role accuracy by gender called a disparity? It should be in every skewed run and in no balanced one. Then the first pair of
seeds is compared, image by image. Existing runs are not trained again.
"""

import argparse
import contextlib
import sys
import time
from pathlib import Path

from audit.compare import main as compare_command
from audit.comparison.engine import compare
from audit.comparison.sides import FinishedAudit, read
from audit.embedding.cache import default_root
from audit.results import Finding
from audit.run import main as audit_command
from contrastive.train import main as train_command

RECIPES = {"skewed": "emoji", "balanced": "emoji_balanced"}
QUESTION = "role/accuracy/gender"


def trained(recipe: str, seed: int, folder: Path, steps: int | None) -> Path:
    """Train a recipe unless the run exists, and return its checkpoint."""
    out = folder / f"{recipe}-{seed}"
    words = [recipe, f"run.seed={seed}", f"run.out={out}", "--quiet"] + ([f"optim.steps={steps}"] if steps else [])
    with contextlib.redirect_stdout(sys.stderr):
        code = train_command(words)
    if code:
        raise SystemExit(f"training {recipe} with seed {seed} ended with {code}")
    return out / "ckpt.pt"


def audited(checkpoint: Path) -> FinishedAudit:
    """Audit a checkpoint with the emoji probe and return the audit."""
    out = checkpoint.parent / "audit"
    with contextlib.redirect_stdout(sys.stderr):
        code = audit_command(["--model", str(checkpoint), "--probe", "emoji", "--out", str(out)])
    if code:
        raise SystemExit(f"the audit of {checkpoint.parent.name} ended with {code}")
    return read(out)[0]


def finding_of(audit: FinishedAudit) -> Finding:
    return next(finding for finding in audit.audits["emoji"].findings if finding.id == QUESTION)


def line(name: str, seed: int, finding: Finding) -> str:
    rates = "  ".join(f"{rate.group[0]} {rate.value or 0.0:.2f}" for rate in finding.by_group)
    gap = finding.gap
    size = f"gap {gap.value:.3f} [{gap.low:.3f}, {gap.high:.3f}]  p {gap.p_adjusted:.4f}" if gap else "no gap"
    return f"{name:<9} seed {seed}  {rates}  {size}  {finding.verdict}"


def main() -> int:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--seeds", type=int, default=5, help="of each recipe")
    parse.add_argument("--folder", type=Path, default=Path("runs/seeds"), help="where the runs are kept")
    parse.add_argument("--steps", type=int, help="fewer than the recipe's 270, for a trial")
    arguments = parse.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    verdicts: dict[str, list[str]] = {name: [] for name in RECIPES}
    sides: dict[str, list[FinishedAudit]] = {name: [] for name in RECIPES}
    for seed in range(arguments.seeds):
        for name, recipe in RECIPES.items():
            audit = audited(trained(recipe, seed, arguments.folder, arguments.steps))
            finding = finding_of(audit)
            print(line(name, seed, finding), flush=True)
            verdicts[name].append(finding.verdict)
            sides[name].append(audit)
    found, alarms = (verdicts[name].count("disparity") for name in RECIPES)
    print(f"disparity in {found} of {arguments.seeds} skewed runs and {alarms} of {arguments.seeds} balanced ones")
    changed = [_change(*pair) for pair in zip(sides["skewed"], sides["balanced"], strict=True)]
    print(f"balanced against skewed of the same seed: {', '.join(changed)}")
    print(f"took {time.monotonic() - started:.0f} s; embeddings in {default_root().name}")
    compare_command(
        [str(arguments.folder / f"{recipe}-0" / "audit") for recipe in RECIPES.values()] + ["--out", str(arguments.folder / "comparison")]
    )
    return 0 if found == arguments.seeds and alarms == 0 else 1


def _change(before: FinishedAudit, after: FinishedAudit) -> str:
    compared = compare([before, after], before.results.settings)
    return next(change.verdict for change in compared.comparisons[0].changes if change.id == QUESTION)


if __name__ == "__main__":
    sys.exit(main())
