"""Questions about images to a local generative model, read one at a time and eight together: CPU seconds per image.

A LLaVA of random weights with about 20 million parameters, asked as a probe asks: twenty-two options, in two orders.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import transformers as hf

from audit.models import load
from audit.types import Question
from tests.support.generative_models import chat, tokenizer
from tests.support.model_folders import noise, saved

IMAGES, TOGETHER, SIDE = 32, 8, 112
TEXT = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 6, "num_attention_heads": 6, "num_key_value_heads": 6}
SEEN = {
    "hidden_size": 256,
    "intermediate_size": 1024,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "image_size": SIDE,
    "patch_size": 14,
}
LABELS = tuple(f"a photo of a person {i}" for i in range(22))
MOST = 1.0
"""Eight together may cost no more than each alone."""


def make(folder: Path) -> Path:
    """Save a model that is large enough for sums, not calls, to take the time."""
    torch.manual_seed(0)
    words = tokenizer(image_token="<image>")
    ends = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**SEEN),
        text_config=hf.LlamaConfig(**TEXT, **ends, max_position_embeddings=2048, vocab_size=len(words)),
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    pixels = hf.CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    strategy = {"patch_size": 14, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    return saved(
        folder, hf.LlavaForConditionalGeneration(config), hf.LlavaProcessor(pixels, words, chat_template=chat("<image>"), **strategy)
    )


def main() -> int:
    """Print the seconds per image and their ratio; 1 if reading together costs more, or gives other numbers."""
    torch.set_num_threads(1)
    images = noise(*[(SIDE, SIDE)] * IMAGES, seed=5)
    asked = [Question("\n".join(["Who is this?", *order]), LABELS) for order in (LABELS, LABELS[::-1])]
    with tempfile.TemporaryDirectory() as folder:
        model = load(str(make(Path(folder) / "llava")))
    seconds: dict[int, list[float]] = {1: [], TOGETHER: []}
    rows: dict[int, np.ndarray] = {}
    for _ in range(3):
        for size, spent in seconds.items():
            start = time.process_time()
            rows[size] = np.concatenate([model.log_likelihoods(images[at : at + size], asked) for at in range(0, IMAGES, size)])
            spent.append((time.process_time() - start) / IMAGES)
    alone, together = min(seconds[1]), min(seconds[TOGETHER])
    off = float(np.abs(rows[1] - rows[TOGETHER]).max())
    print(f"{model.record.parameters / 1e6:.0f} million parameters: {alone:.3f} s per image alone, {together:.3f} s among {TOGETHER}")
    print(f"ratio {together / alone:.2f} (at most {MOST}); largest difference {off:.1g} nats per token")
    return int(together / alone > MOST or off > 1e-5)


if __name__ == "__main__":
    sys.exit(main())
