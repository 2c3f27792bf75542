"""448 px JPEGs through ViT-B/32 (random weights): against the encoder alone, clip_benchmark and the transformers pipeline, in one run.

* The encoder alone: batches of 32 whose pixels lie ready (``pixels ready``), or images that are decoded (``decoded``: resized in turn).
* clip_benchmark's `run_classification` with mixed precision, and in float32 with GELU and with QuickGELU, which the audited model has:
  its model is open_clip's, its images are decoded by a DataLoader without processes, which is its fastest here. In steady state, its text
  computed beforehand; and with imports and the text of 7 labels in 80 templates, each in a process of its own.
* The pipeline, with 7 and with 35 labels: as it comes it encodes the text again for every image, and in batches once a batch.

* With and without QuickGELU folded into SiLU (`audit.models.quick_gelu`), image and text tower, one batch after the other.

Prints images per second by the wall clock and by CPU time, medians, each with its share of what matrix products allow; a second audit over
the cache last. Without clip_benchmark or open_clip their lines are skipped. ``--images 64 --repeats 1`` is quick.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from audit.embedding.cache import MemoryRoot
from audit.embedding.embed import embed_images, embed_texts
from audit.measure.zero_shot import cosine_scores, probabilities
from audit.models import load
from audit.types import Dataset
from benchmarks.speed.made import LABELS, cpu_s, installed, jpegs, medians, model_folder, product_limit, say_setting, templates
from strictio.images.decode import decode

BATCH = 32
PIPELINE_SHARE = 10
"""The pipeline gets a tenth of the images, since the time per image is constant."""


def made_data(contents: list[bytes]) -> Dataset:
    return Dataset("made", contents, pd.DataFrame(index=range(len(contents))), {}, "0" * 64, "made", "none")


def own_work(folder: Path, contents: list[bytes], dtype: str) -> dict[str, tuple[int, Callable[[], object]]]:
    encoder, count = load(str(folder), dtype=dtype), len(contents)
    images = [decode(content).image for content in contents]
    ready = [encoder.prepare(image) for image in images]

    def in_batches(call, items):
        for start in range(0, count, BATCH):
            call(items[start : start + BATCH])

    return {
        f"{dtype}, embed_images": (count, lambda: embed_images(encoder, made_data(contents), MemoryRoot(), batch_size=BATCH)),
        f"{dtype}, encoder, pixels ready": (count, partial(in_batches, lambda part: encoder.start(part, BATCH).rows(), ready)),
        f"{dtype}, encoder, decoded": (count, partial(in_batches, encoder.encode_images, images)),
    }


class Pictures(torch.utils.data.Dataset):
    """JPEGs as clip_benchmark's data sets give them: decoded by Pillow, through open_clip's transform."""

    def __init__(self, contents: list[bytes], transform):
        self.contents, self.transform = contents, transform

    def __len__(self) -> int:
        return len(self.contents)

    def __getitem__(self, place: int):
        import io

        from PIL import Image

        return self.transform(Image.open(io.BytesIO(self.contents[place])).convert("RGB")), 0


def clip_benchmark_work(contents: list[bytes]) -> dict[str, tuple[int, Callable[[], object]]]:
    """Return its classification with the text computed beforehand; in float32 also with QuickGELU, as the model audited here."""
    import open_clip
    from clip_benchmark.metrics.zeroshot_classification import run_classification

    work = {}
    for name, architecture, mixed in (
        ("mixed precision", "ViT-B-32", True),
        ("float32", "ViT-B-32", False),
        ("float32, QuickGELU", "ViT-B-32-quickgelu", False),
    ):
        model, _, transform = open_clip.create_model_and_transforms(architecture, pretrained=None)
        loader = torch.utils.data.DataLoader(Pictures(contents, transform), batch_size=BATCH, num_workers=0)
        call = partial(run_classification, model.eval(), torch.randn(512, 7), loader, "cpu", amp=mixed)
        work[f"clip_benchmark, {name}"] = (len(contents), call)
    return work


def from_start(kind: str, folder: Path, contents: list[bytes]) -> None:
    """Do everything in this new process: imports, text, images."""
    if kind == "clip_benchmark":
        import open_clip
        from clip_benchmark.metrics.zeroshot_classification import run_classification, zero_shot_classifier

        model, _, transform = open_clip.create_model_and_transforms("ViT-B-32", pretrained=None)
        classifier = zero_shot_classifier(model.eval(), open_clip.get_tokenizer("ViT-B-32"), LABELS[:7], templates(), "cpu")
        loader = torch.utils.data.DataLoader(Pictures(contents, transform), batch_size=BATCH, num_workers=0)
        run_classification(model, classifier, loader, "cpu")
        return
    encoder = load(str(folder), dtype="bfloat16")
    embed_texts(encoder, [template.format(c=label) for label in LABELS[:7] for template in templates()], MemoryRoot())
    embed_images(encoder, made_data(contents), MemoryRoot(), batch_size=BATCH)


def started(kind: str, folder: Path, images: int, side: int) -> None:
    """Run `from_start` in a process of its own; both kinds read the same pictures there."""
    words = [sys.executable, __file__, "--from-start", kind, "--folder", str(folder), "--images", str(images), "--side", str(side)]
    subprocess.run(words, check=True, stderr=subprocess.DEVNULL)


def pipelines(folder: Path, contents: list[bytes]) -> dict[str, tuple[int, Callable[[], object]]]:
    import io

    from PIL import Image
    from transformers import pipeline

    classify = pipeline("zero-shot-image-classification", model=str(folder))
    few = contents[: max(8, len(contents) // PIPELINE_SHARE)]
    images = [Image.open(io.BytesIO(content)).convert("RGB") for content in few]
    return {
        f"transformers pipeline, {labels} labels{kind}": (
            len(few), partial(classify, images, candidate_labels=LABELS[:labels], batch_size=size, hypothesis_template="a photo of a {}."),
        ) for labels in (7, 35) for kind, size in (("", 1), (", batches", BATCH))
    }  # fmt: skip


def second_audit(folder: Path, contents: list[bytes]) -> float:
    """Return the milliseconds per image that a second probe over the cache takes."""
    encoder, root, data = load(str(folder)), MemoryRoot(), made_data(contents)
    texts = [f"a photo of a {label}." for label in LABELS[:7]]
    embed_images(encoder, data, root)
    embed_texts(encoder, texts, root)
    started_s = time.process_time()
    probabilities(cosine_scores(embed_images(encoder, data, root).vectors, embed_texts(encoder, texts, root)), encoder.record)
    return 1000 * (time.process_time() - started_s) / len(contents)


def fold_gains(folder: Path, repeats: int) -> dict[str, np.ndarray]:
    """Return the quartiles of the time of a batch without the fold divided by that with it; one directly after the other."""
    folded, plain = load(str(folder)), load(str(folder))
    plain._fold._exact = {"image": False, "text": False}
    ready = [folded.prepare(decode(content).image) for content in jpegs(BATCH, 224)]
    texts = [f"a photo of a {label}." for label in LABELS[:BATCH]]
    work = {"image": lambda encoder: encoder.start(ready, BATCH).rows(), "text": lambda encoder: encoder.encode_texts(texts)}
    gains = {}
    for tower, embed in work.items():
        pairs = [[_seconds(partial(embed, encoder)) for encoder in (plain, folded)] for _ in range(repeats + 1)][1:]
        gains[tower] = np.percentile([without / with_it for without, with_it in pairs], (25, 50, 75))
    return gains


def compiled_gain(folder: Path, repeats: int) -> tuple[float, np.ndarray]:
    """Return the CPU seconds of compiling transformers' image tower with frozen weights, and quartiles of its gain over the fold."""
    from transformers import CLIPModel

    encoder, model = load(str(folder)), CLIPModel.from_pretrained(folder).eval()
    ready = [encoder.prepare(decode(content).image) for content in jpegs(BATCH, 224)]
    pixels = encoder.tower.pixels.normalise(torch.stack(ready))
    torch._inductor.config.freezing = True
    compiled = torch.compile(lambda pixels: model.get_image_features(pixels).pooler_output, dynamic=False)
    with torch.no_grad():
        started = cpu_s()
        compiled(pixels)
        cost = cpu_s() - started
        encoder.start(ready, BATCH)
        pairs = [(_seconds(lambda: encoder.start(ready, BATCH).rows()), _seconds(lambda: compiled(pixels))) for _ in range(repeats)]
    return cost, np.percentile([folded / frozen for folded, frozen in pairs], (25, 50, 75))


def _seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def agree(folder: Path, contents: list[bytes], classify: Callable[..., object]) -> float:
    """Return the largest difference of a score from the pipeline's."""
    encoder, texts = load(str(folder)), [f"a photo of a {label}." for label in LABELS[:7]]
    found = embed_images(encoder, made_data(contents), MemoryRoot()).vectors
    ours = probabilities(cosine_scores(found, embed_texts(encoder, texts, MemoryRoot())), encoder.record)
    theirs = np.array([[{row["label"]: row["score"] for row in rows}[label] for label in LABELS[:7]] for rows in classify()])
    return float(np.abs(ours - theirs).max())


def show(found: dict[str, tuple[float, float]], limits: dict[str, float]) -> None:
    for name, (wall, cpu) in found.items():
        limit = limits["bfloat16" if "bfloat16" in name or "mixed" in name else "float32"]
        print(f"{name:<46} {wall:7.1f} images/s  {cpu:6.1f} per CPU s  {wall / limit:4.2f} of the products' limit", flush=True)


def compare(found: dict[str, tuple[float, float]], ours: str, theirs: str, wanted: float) -> None:
    if theirs in found:
        wall, cpu = (ours_ / theirs_ for ours_, theirs_ in zip(found[ours], found[theirs], strict=True))
        print(f"{ours} / {theirs}: {wall:.2f} by the wall clock, {cpu:.2f} by CPU time (wanted: {wanted})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--side", type=int, default=448)
    parser.add_argument("--compiled", action="store_true", help="only compare the fold with a compiled tower, which takes minutes")
    parser.add_argument("--from-start", choices=("ours", "clip_benchmark"))
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    contents = jpegs(given.images, given.side)
    if given.from_start:
        from_start(given.from_start, given.folder, contents)
        return
    peer = installed("clip_benchmark") and installed("open_clip")
    say_setting(*(("open_clip_torch",) if peer else ()))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model_folder(folder)
        if given.compiled:
            cost, (low, median, high) = compiled_gain(folder, 8 * given.repeats)
            print(
                f"compiled with frozen weights, after {cost:.0f} s of CPU: {median:.2f} times as fast as the fold ({low:.2f} to {high:.2f})"
            )
            return
        asked = pipelines(folder, contents)
        work = {**own_work(folder, contents, "float32"), **own_work(folder, contents, "bfloat16")}
        if peer:
            work |= clip_benchmark_work(contents)
            for kind in ("ours", "clip_benchmark"):
                work[f"{kind} from the start, bfloat16 or mixed"] = (given.images, partial(started, kind, folder, given.images, given.side))
        limits = {dtype: product_limit(getattr(torch, dtype)) for dtype in ("float32", "bfloat16")}
        print(", ".join(f"products allow {limit:.1f} images/s in {dtype}" for dtype, limit in limits.items()), flush=True)
        found = medians({**work, **asked}, given.repeats)
        show(found, limits)
        for dtype in ("float32", "bfloat16"):
            for kind in ("pixels ready", "decoded"):
                compare(found, f"{dtype}, embed_images", f"{dtype}, encoder, {kind}", 0.98)
        compare(found, "float32, embed_images", "clip_benchmark, float32", 1.08)
        compare(found, "float32, embed_images", "clip_benchmark, float32, QuickGELU", 1.15)
        compare(found, "bfloat16, embed_images", "clip_benchmark, mixed precision", 1.0)
        compare(found, "ours from the start, bfloat16 or mixed", "clip_benchmark from the start, bfloat16 or mixed", 1.3)
        compare(found, "bfloat16, embed_images", "transformers pipeline, 7 labels", 5)
        compare(found, "bfloat16, embed_images", "transformers pipeline, 35 labels", 10)
        for tower, (low, median, high) in fold_gains(folder, 8 * given.repeats).items():
            print(f"{tower} tower without the fold / with it: {median:.2f} (half of the pairs: {low:.2f} to {high:.2f})", flush=True)
        few, classify = asked["transformers pipeline, 7 labels"]
        print(f"a second audit over the cache: {second_audit(folder, contents):.2f} ms per image", flush=True)
        print(f"largest difference of a score from the pipeline's: {agree(folder, contents[:few], classify):.1e}", flush=True)


if __name__ == "__main__":
    main()
