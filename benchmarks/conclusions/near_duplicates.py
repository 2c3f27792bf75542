"""Recall of the probe `overlap` by kind of change, its false pairs, by threshold, and the seconds of a comparison.

    python -m benchmarks.conclusions.near_duplicates [--faces DIR] [--training 1000000 --test 10000]

Images: `--faces`, a folder of photographs (JPEG), else 300 made images with the frequencies of photographs. Each is compared with every
changed image. With photographs, false pairs are also counted among 3,000 made faces: their pixels are Gaussian, with the mean and the
covariance of the photographs, so they are aligned as the photographs are, and no two are of one person. Exit code 1 if fewer than 58 of
60 of a promised change are found, or if more than one false pair in 100,000 is.

The comparison is timed on made thumbnails (noise of 12 x 12 values, enlarged), of which every hundredth test image has a copy. Reading
and decoding is not part of it.
"""

import argparse
import io
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from audit.extensions.capability import near_duplicates
from audit.extensions.capability.near_duplicates import SIDE, Fingerprints, compared, find_near_duplicates, fingerprints, similar_pairs

LEAST_FOUND, MOST_FALSE = 58 / 60, 1e-5
SIMILARITIES, AGREEMENTS = (0.74, 0.78, 0.80, 0.82, 0.84, 0.86, 0.90), (0.5, 0.7, 0.8, 0.9, 0.95, 0.965, 0.98, 0.995)
BLOCK = 2048


def crop(image, rng):
    width, height = (round(0.85 * side) for side in image.size)
    left, upper = int(rng.integers(0, image.width - width + 1)), int(rng.integers(0, image.height - height + 1))
    return image.crop((left, upper, left + width, upper + height))


def recompress(image, _):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    return Image.open(io.BytesIO(buffer.getvalue()))


PROMISED = {
    "none": lambda image, _: image,
    "grey": lambda image, _: image.convert("L"),
    "brightness x 1.3": lambda image, _: ImageEnhance.Brightness(image).enhance(1.3),
    "brightness / 1.3": lambda image, _: ImageEnhance.Brightness(image).enhance(1 / 1.3),
    "crop of 15 %": crop,
    "mirrored": lambda image, _: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "JPEG, quality 40": recompress,
}
OTHERS = {
    "all of these": lambda image, rng: recompress(
        ImageEnhance.Brightness(crop(image, rng).transpose(Image.Transpose.FLIP_LEFT_RIGHT)).enhance(1.3).convert("L"), rng
    ),
    "contrast x 1.3": lambda image, _: ImageEnhance.Contrast(image).enhance(1.3),
    "crop of 25 %": lambda image, _: image.crop((0, 0, round(0.75 * image.width), round(0.75 * image.height))),
}


def thumbnail(image) -> np.ndarray:
    return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def made_photographs(n: int) -> list[Image.Image]:
    """Return noise whose amplitude falls with its frequency."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(160), np.fft.rfftfreq(160), indexing="ij"))[..., None]
    images = []
    for colours in np.random.default_rng(0).normal(size=(n, 160, 160, 3)):
        noise = colours + 2 * colours.mean(axis=-1, keepdims=True) * np.sqrt(3)
        smooth = np.fft.irfft2(np.fft.rfft2(noise, axes=(0, 1)) / np.maximum(frequency, 1 / 160) ** 1.2, (160, 160), axes=(0, 1))
        images.append(Image.fromarray(np.clip(120 + 45 * (smooth - smooth.mean()) / smooth.std(), 0, 255).astype(np.uint8)))
    return images


def made_faces(photographs: np.ndarray, n: int) -> np.ndarray:
    """Return Gaussian images with the mean and the covariance of the photographs."""
    pixels = photographs.reshape(len(photographs), -1).astype(float)
    weights = np.random.default_rng(1).normal(size=(n, len(pixels))) / np.sqrt(len(pixels) - 1)
    made = pixels.mean(axis=0) + weights @ (pixels - pixels.mean(axis=0))
    return np.clip(made, 0, 255).astype(np.uint8).reshape(n, *photographs.shape[1:])


def curve(images: list[Image.Image]) -> bool:
    """Print both thresholds' curves; return whether the promises hold."""
    rng = np.random.default_rng(0)
    originals = fingerprints(np.stack(list(map(thumbnail, images))))
    n, holds = len(images), True
    rows = []
    for name, change in (PROMISED | OTHERS).items():
        changed = fingerprints(np.stack([thumbnail(change(image, rng)) for image in images]))
        similarity, agreement = np.zeros((n, n)), np.zeros((n, n))
        for pair in similar_pairs(changed, originals, min(SIMILARITIES)):
            similarity[pair.seen, pair.query] = max(pair.similarity, similarity[pair.seen, pair.query])
            if pair.similarity >= near_duplicates.MIN_SIMILARITY:
                match = compared(changed, originals, pair)
                agrees = match.agreement if match.worst <= 1 and match.correlation >= near_duplicates.MIN_CORRELATION else 0.0
                agreement[pair.seen, pair.query] = max(agrees, agreement[pair.seen, pair.query])
        rows.append((name, similarity, agreement))
        found, false = (counted >= near_duplicates.MIN_AGREEMENT for counted in (np.diag(agreement), others(agreement)))
        holds = holds and (name in OTHERS or found.mean() >= LEAST_FOUND) and false.mean() <= MOST_FALSE
    print(f"{n} images, {n * (n - 1):,} other pairs per change\n\nPairs whose signatures are similar, by minimum cosine")
    table([(name, similarity) for name, similarity, _ in rows], SIMILARITIES, near_duplicates.MIN_SIMILARITY)
    print("\nNear duplicates, by minimum fraction of pixels that agree")
    table([(name, agreement) for name, _, agreement in rows], AGREEMENTS, near_duplicates.MIN_AGREEMENT)
    return holds


def others(pairs: np.ndarray) -> np.ndarray:
    return pairs[~np.eye(len(pairs), dtype=bool)]


def table(rows: list[tuple[str, np.ndarray]], thresholds: tuple[float, ...], used: float) -> None:
    print(f"{'found, %':<20}" + "".join(f"{f'{threshold:g}*' if threshold == used else f'{threshold:g}':>9}" for threshold in thresholds))
    for name, pairs in rows:
        print(f"{name:<20}" + "".join(f"{100 * np.mean(np.diag(pairs) >= threshold):>9.1f}" for threshold in thresholds))
    every = np.concatenate([others(pairs) for _, pairs in rows])
    print(f"{'other pairs':<20}" + "".join(f"{np.mean(every >= threshold):>9.1g}" for threshold in thresholds))


def false_pairs(fingerprinted: Fingerprints) -> bool:
    """Count the false pairs among images of which no two are of one person; return whether there are few enough."""
    n = len(fingerprinted)
    began = time.process_time()
    different = [pair for pair in similar_pairs(fingerprinted, fingerprinted) if pair.seen < pair.query]
    similar = len({(pair.seen, pair.query) for pair in different})
    false = len({(pair.seen, pair.query) for pair in different if compared(fingerprinted, fingerprinted, pair).near_duplicate})
    pairs = n * (n - 1) // 2
    print(f"\n{n:,} made faces, {pairs:,} pairs: {similar:,} similar, {false} false; {time.process_time() - began:.0f} s of processor time")
    print(f"If pairs were independent, at most 1 of {pairs / (3 + 2 * false):,.0f} would be false (95 %).")
    return false <= MOST_FALSE * pairs


def enlarged(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return noise of 12 x 12 values, enlarged."""
    basis = np.maximum(0, 1 - np.abs(np.linspace(0, 11, SIDE)[:, None] - np.arange(12))).astype(np.float32)
    noise = rng.integers(0, 256, (n, 3, 12, 12)).astype(np.float32)
    return np.moveaxis(basis @ noise @ basis.T, 1, 3).astype(np.uint8)


def training_blocks(total: int, copies: np.ndarray) -> Iterator[np.ndarray]:
    """Yield made thumbnails in blocks; the first ones are the copies."""
    rng = np.random.default_rng(2)
    for start in range(0, total, BLOCK):
        block = enlarged(rng, min(BLOCK, total - start))
        block[: max(0, len(copies) - start)] = copies[start : start + BLOCK][: len(block)]
        yield block


def timed(training: int, test: int) -> bool:
    """Time the comparison; return whether all copies are found, and no other pair."""
    thumbnails = enlarged(np.random.default_rng(3), test)
    queries, copies = fingerprints(thumbnails), thumbnails[::100]
    found = false = 0
    wall, processor = time.perf_counter(), time.process_time()
    for start, block in zip(range(0, training, BLOCK), training_blocks(training, copies), strict=True):
        for seen, query, _ in find_near_duplicates(fingerprints(block), queries):
            found, false = (found + 1, false) if query == 100 * (start + seen) else (found, false + 1)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(f"\n{training:,} thumbnails against {test:,}: {wall:.0f} s, {processor:.0f} s of processor time")
    print(f"{found} of {len(copies)} copies found, {false} other pairs")
    return found == len(copies) and not false


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--faces", type=Path)
    arguments.add_argument("--training", type=int, default=50_000)
    arguments.add_argument("--test", type=int, default=10_000)
    return arguments


def main() -> int:
    options = parser().parse_args()
    paths = sorted(options.faces.rglob("*.jpg")) if options.faces else []
    images = [Image.open(path).convert("RGB") for path in paths] or made_photographs(300)
    holds = curve(images)
    if paths:
        holds &= false_pairs(fingerprints(made_faces(np.stack(list(map(thumbnail, images))), 3000)))
    return int(not (timed(options.training, options.test) and holds))


if __name__ == "__main__":
    sys.exit(main())
