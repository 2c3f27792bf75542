"""A user's encoder that is slow, hangs, runs out of memory or counts what it sees, written as the file that ``FILE.py:CLASS`` names."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

ENCODER = '''
import os, time
import numpy as np

import audit.embedding.batch as batch

batch.SHARD_ROWS = int(os.environ.get("SHARD_ROWS", batch.SHARD_ROWS))

class Slow:
    """Its last digits depend on what shares a batch, as a matrix product's do."""

    seen = 0

    def encode_images(self, images):
        self.seen += len(images)
        if self.seen >= int(os.environ.get("HANGS_AT", 10**9)):
            open(os.environ["HANGING"], "w").close()
            time.sleep(3600)
        most = int(os.environ.get("MOST_IMAGES", 10**9))
        if len(images) > most:
            raise MemoryError(f"{len(images)} images")
        time.sleep(float(os.environ.get("PAUSE_S", 0)))
        if "SEEN" in os.environ:
            with open(os.environ["SEEN"], "a") as file:
                file.write(f"{len(images)}\\n")
        pixels = np.stack([np.asarray(image.resize((8, 8)), np.float32).ravel() for image in images])
        return pixels @ np.random.default_rng(0).normal(size=(192, 8)).astype(np.float32) + 1e-3 * len(images)

    def encode_texts(self, texts):
        return np.stack([np.random.default_rng(len(text)).normal(size=8) for text in texts]).astype(np.float32)
'''


def write_encoder(folder: Path) -> str:
    """Write the file and return the words that name the encoder."""
    (folder / "slow.py").write_text(ENCODER)
    return f"{folder / 'slow.py'}:Slow"


def write_noise(folder: Path, n: int) -> Path:
    """Write `n` small pictures of noise, races in turn, and return the table of them."""
    (folder / "noise").mkdir()
    for number in range(n):
        pixels = np.random.default_rng(number).integers(0, 255, (12, 12, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "noise" / f"{number}.png")
    names = [f"noise/{number}.png" for number in range(n)]
    pd.DataFrame({"image": names, "race": ["White", "Black"] * (n // 2)}).to_csv(folder / "noise.csv", index=False)
    return folder / "noise.csv"
