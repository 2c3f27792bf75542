"""Images/s that training can load on all cores, against `open_clip_train`'s own loader with 0, 1 and 2 worker processes, in one run.

Claim: as many as with the best of its worker settings. Both read 640 x 480 JPEGs of about 100 kB and captions from one table of
open_clip's layout, cut and resize by torchvision's `RandomResizedCrop` as open_clip's trainer does (scale 0.9 to 1, bicubic, to 224 px),
and give the same kind of batch: 64 normalised float images and the ids of CLIP's tokenizer. Ours decodes in threads, theirs in processes,
which are restarted every epoch. Also measured: ours with `data.crop`, the crop that needs no torchvision. An epoch of each in turns;
medians of the rounds. CPU time is that of all threads and processes.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # a waiting thread sleeps: its spinning is not work

import torch
from torch import Tensor

from benchmarks.speed.made import jpegs, medians, say_setting
from contrastive.config import read_config
from contrastive.data.prefetch import prefetched
from contrastive.training import loop
from contrastive.training.step import batch_of

WIDTH, HEIGHT, SIDE, BATCH = 640, 480, 224, 64
SCALE = (0.9, 1.0)
WORKERS = (0, 1, 2)
OURS = {
    "ours": f'augment = [{{name = "RandomResizedCrop", scale = [{SCALE[0]}, {SCALE[1]}], interpolation = "bicubic"}}]',
    "ours, data.crop": f"crop = {SCALE[0]}",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print one line per loader; return 1 if ours loads fewer images per second than the best of theirs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=512, help="distinct ones in an epoch")
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each loader")
    given = parser.parse_args(argv)
    if missing := [name for name in ("open_clip_train", "braceexpand", "webdataset") if importlib.util.find_spec(name) is None]:
        print(f"skipped: open_clip's trainer needs {', '.join(missing)}: python -m pip install 'open_clip_torch[training]'")
        return 0
    say_setting("open_clip_torch", "torchvision")
    with tempfile.TemporaryDirectory() as name:
        table = write_table(Path(name), given.images)
        loaders = {f"open_clip_train, {workers} workers": their_loader(table, workers) for workers in WORKERS}
        loaders |= {kind: our_loader(table, kind, setting) for kind, setting in OURS.items()}
        check_batches(loaders)
        images = given.images // BATCH * BATCH
        found = medians({kind: (images, partial(drain, load)) for kind, load in loaders.items()}, given.rounds)
    best = max(rate for kind, (rate, _) in found.items() if kind not in OURS)
    for kind, (rate, by_cpu) in found.items():
        print(f"{kind:<28} {rate:6.1f} images/s = {rate / best:4.2f}x the best of open_clip's; {1000 / by_cpu:5.2f} ms of CPU per image")
    return int(found["ours"][0] < best)


def write_table(folder: Path, count: int) -> Path:
    """Write images and a table of them; return its path."""
    rows = ["filepath\ttitle"]
    for number, content in enumerate(jpegs(count, WIDTH, HEIGHT)):
        (folder / f"{number:05d}.jpg").write_bytes(content)
        rows.append(f"{folder}/{number:05d}.jpg\ta photo of the thing with the number {number}, taken from the side")
    (folder / "pairs.csv").write_text("\n".join(rows) + "\n")
    return folder / "pairs.csv"


Batch = tuple[Tensor, ...] | list[Tensor]
Load = Callable[[], Iterable[Batch]]


def our_loader(table: Path, kind: str, setting: str) -> Load:
    """Return a function that yields an epoch's batches as the trainer makes them, with its number of threads and prefetched batches."""
    run = table.with_name(f"{kind}.toml")
    run.write_text(
        f'[model]\npreset = "ViT-B/32"\n[data]\ntrain = "{table}"\nimage_column = "filepath"\ncaption_column = "title"\n'
        f'held_out = 0\nbatch = {BATCH}\ntokenizer = "clip"\n{setting}\n[optim]\nepochs = 1\nlr = 1e-3\n[run]\nout = "{run}.out"\n'
    )
    inputs = loop.prepare(read_config(str(run)))
    make, config = partial(batch_of, inputs, device=torch.device("cpu")), inputs.config
    return lambda: prefetched(make, range(config.optim.steps), config.data.prefetch)


def their_loader(table: Path, workers: int) -> Load:
    """Return open_clip's training loader over the same table, made by the functions that its command calls."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the package
        import open_clip
        from open_clip.transform import AugmentationCfg, image_transform
        from open_clip_train.data import get_csv_dataset
    arguments = SimpleNamespace(
        train_data=str(table), csv_img_key="filepath", csv_caption_key="title", csv_separator="\t", distributed=False, batch_size=BATCH,
        workers=workers,
    )  # fmt: skip
    transform = image_transform(SIDE, is_train=True, aug_cfg=AugmentationCfg(scale=SCALE))
    loader = get_csv_dataset(arguments, transform, is_train=True, tokenizer=open_clip.get_tokenizer("ViT-B-32")).dataloader
    return lambda: loader


def check_batches(loaders: dict[str, Load]) -> None:
    """Refuse to compare loaders whose batches are not of one kind."""
    for kind, load in loaders.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            images, ids = next(iter(load()))[:2]
        if (images.shape, images.dtype, len(ids)) != ((BATCH, 3, SIDE, SIDE), torch.float32, BATCH):
            raise SystemExit(f"{kind}: a batch of {tuple(images.shape)}, {images.dtype}, and {len(ids)} texts is not the same work")


def drain(load: Load) -> None:
    """Take every batch of an epoch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs asks for pinned memory, which needs a GPU
        for _ in load():
            pass


if __name__ == "__main__":
    sys.exit(main())
