"""A first audit, and a second one over the cache, against the transformers pipeline on the same images and labels, in one run.

A `CLIPModel` with random weights (ViT-B/32's image tower, six text layers) saved to a folder, 48 JPEG images made here, 21 labels.
The pipeline encodes the text again for every image, which is how people use it. Prints CPU seconds and the ratios.
"""

import io
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer, pipeline

from audit.embedding.embed import embed_images, embed_texts
from audit.measure.zero_shot import cosine_scores, probabilities
from audit.models import load
from audit.types import Dataset
from probes.prompts import preset

IMAGES, SIDE = 48, 224
TEXTS = [text for texts in preset("rijgersberg").prompts("race_gender", "harm").values() for text in texts]


def model_folder(folder: Path) -> None:
    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[])
    text = {"vocab_size": len(vocabulary), "num_hidden_layers": 6, "eos_token_id": len(vocabulary) - 1, "bos_token_id": len(vocabulary) - 2}
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(text_config=text, vision_config={"patch_size": 32})).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessor().save_pretrained(folder)


def jpegs() -> list[bytes]:
    rng = np.random.default_rng(0)
    contents = []
    for _ in range(IMAGES):
        small = rng.integers(0, 256, (14, 14, 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        contents.append(buffer.getvalue())
    return contents


def main() -> None:
    contents = jpegs()
    attributes = pd.DataFrame({"group": ["a"] * IMAGES}, dtype="str")
    dataset = Dataset("made", contents, attributes, {"group": ("a",)}, "0" * 64, "made", "none")
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name) / "model", Path(name) / "cache"
        model_folder(folder)
        classify = pipeline("zero-shot-image-classification", model=str(folder))
        encoder = load(str(folder))

        def peer():
            return [classify(Image.open(io.BytesIO(content)), candidate_labels=TEXTS, hypothesis_template="{}") for content in contents]

        def ours():
            embeddings = embed_images(encoder, dataset, cache, batch_size=16, progress=False)
            return probabilities(cosine_scores(embeddings.vectors, embed_texts(encoder, TEXTS, cache)), encoder.record)

        times, answers = {}, {}
        for label, function in (("pipeline", peer), ("first audit", ours), ("second audit", ours)):
            before = time.process_time()
            answers[label] = function()
            times[label] = time.process_time() - before
    theirs = np.array([[{row["label"]: row["score"] for row in rows}[text] for text in TEXTS] for rows in answers["pipeline"]])
    print("  ".join(f"{label} {seconds:.2f} CPU s" for label, seconds in times.items()))
    first, second = (times["pipeline"] / times[label] for label in ("first audit", "second audit"))
    print(f"first audit {first:.1f}x, second audit {second:.0f}x the pipeline")
    print(f"largest difference of a score {np.abs(theirs - answers['first audit']).max():.1e}")


if __name__ == "__main__":
    main()
