"""Words in training captions: how often do the intervals of `vlm-audit words` hold the planted log ratio, and how long does a million take?

Ten words are planted in the captions of 3,000 images of three groups: in the first group with a log ratio from -1.5 to 1.5, at rates from
2 to 20 % in the others. With several captions per image, these are alike: the rate of an image has a beta distribution, with a correlation
of .25 between its captions. Captions are texts, and counted as the command counts them.

`--captions 1000000` writes a table of so many rows (with 200 words to count, seven of ten images in two rows) and runs the command on it.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audit.extensions.words.cooccurrence import CaptionedGroups, word_ratios
from audit.extensions.words.record import WordRatio
from contrastive.data.words import count_words, read_terms

SIZES = (900, 1500, 600)
LOG_RATIOS, RATES = np.linspace(-1.5, 1.5, 10), np.geomspace(0.2, 0.02, 10)
CORRELATION, STRONG = 0.25, 1.0
WORDS = ("nurse", "doctor", "police officer", "teacher", "judge", "pilot", "cook", "farmer", "artist", "guard")

FILLER = "a photo of the with in and on blue red street house green holding two large small old city table near dog car"


@dataclass(frozen=True)
class Covered:
    """Shares over all plants and repetitions."""

    covered: float
    """Intervals of single ratios that hold the planted one."""
    all_covered: float
    """Repetitions in which the adjusted intervals of all plants hold."""
    strong: float
    """Plants beyond a factor of e that were found after correction."""
    wrong_side: float
    """Plants whose adjusted interval lies on the other side of equal rates."""


@dataclass(frozen=True)
class PlantedCaptions:
    """Captions with planted words."""

    texts: list[tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.texts)

    def name(self, index: int) -> str:
        return str(index)

    def captions(self, index: int) -> tuple[str, ...]:
        return self.texts[index]


def planted(group: np.ndarray, captions: int, rng: np.random.Generator) -> PlantedCaptions:
    """Return images with `captions` captions each; those of one image are alike."""
    has = np.zeros((len(WORDS), len(group), captions), bool)
    for word, (rate, log_ratio) in enumerate(zip(RATES, LOG_RATIOS, strict=True)):
        p = np.where(group == 0, rate * np.exp(log_ratio), rate)
        spread = 1 / CORRELATION - 1
        own = rng.beta(spread * p, spread * (1 - p)) if captions > 1 else p
        has[word] = rng.random((len(group), captions)) < own[:, None]
    texts = [
        tuple(f"a photo of {', '.join(np.array(WORDS)[has[:, image, caption]])}." for caption in range(captions))
        for image in range(len(group))
    ]
    return PlantedCaptions(texts)


def coverage(captions: int, repetitions: int) -> Covered:
    """Plant, count and compare, and return how often the intervals hold the planted ratio."""
    rng, group = np.random.default_rng([captions, repetitions]), np.repeat(np.arange(len(SIZES)), SIZES)
    terms = read_terms(WORDS, "the plants")
    single, adjusted, found, wrong = (np.zeros((repetitions, len(WORDS)), bool) for _ in range(4))
    for repetition in range(repetitions):
        counts = count_words(planted(group, captions, rng), terms)
        groups = CaptionedGroups(("first", "second", "third"), group, counts.captions_m)
        ratios = word_ratios(WORDS, counts.word_h, counts.image_h, counts.events_h, groups, 0.05)
        for word, (ratio, truth) in enumerate(zip([ratio for ratio in ratios if ratio.group == "first"], LOG_RATIOS, strict=True)):
            single[repetition, word] = _holds(ratio.low, ratio.high, truth)
            adjusted[repetition, word] = _holds(ratio.low_adjusted, ratio.high_adjusted, truth)
            found[repetition, word] = _found(ratio, truth)
            wrong[repetition, word] = ratio.direction * truth < 0
    strong = np.abs(LOG_RATIOS) >= STRONG
    return Covered(float(single.mean()), float(adjusted.all(axis=1).mean()), float(found[:, strong].mean()), float(wrong.mean()))


def _holds(low: float | None, high: float | None, truth: float) -> bool:
    return (low is None or low <= truth) and (high is None or truth <= high)


def _found(ratio: WordRatio, truth: float) -> bool:
    return ratio.direction == np.sign(truth)


def write_table(path: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    filler = np.array(FILLER.split())
    with path.open("w") as file:
        file.write("image,caption,gender\n")
        for row in range(rows):
            group = "woman" if row % 2 else "man"
            job = f" {WORDS[rng.integers(len(WORDS))]}" if rng.random() < 0.3 else ""
            file.write(
                f"{row % max(rows * 7 // 10, 1):08d}.jpg,{' '.join(filler[rng.integers(len(filler), size=10)])} {group}{job},{group}\n"
            )


def large(rows: int) -> None:
    """Run the command on a table of so many captions, and print its time and memory."""
    with tempfile.TemporaryDirectory() as folder:
        path, words = Path(folder) / "pairs.csv", Path(folder) / "words.txt"
        write_table(path, rows)
        words.write_text("\n".join([*WORDS, *(f"word{number}" for number in range(190))]))
        for groups in ([], ['data.groups=["gender"]']):
            began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            command = [sys.executable, "-m", "audit", "words", "shapes", f"data.train={path}", *groups, "--words", str(words)]
            subprocess.run([*command, "--out", f"{folder}/{len(groups)}"], check=True, stdout=subprocess.DEVNULL)
            usage = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = usage.ru_utime + usage.ru_stime - before.ru_utime - before.ru_stime
            taken = (
                f"{time.perf_counter() - began:.1f} s of wall-clock time, {cpu:.1f} s of CPU time, at most {usage.ru_maxrss / 1024:.0f} MiB"
            )
            print(f"{rows:,} captions, 200 words, groups from {'a column' if groups else 'captions'}: {taken}")


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--repetitions", type=int, default=200)
    parse.add_argument("--captions", type=int, default=0)
    arguments = parse.parse_args()
    if arguments.captions:
        large(arguments.captions)
    for captions in (1, 3, 5) if not arguments.captions else ():
        print(f"{captions} per image, {arguments.repetitions} repetitions: {coverage(captions, arguments.repetitions)}")


if __name__ == "__main__":
    main()
