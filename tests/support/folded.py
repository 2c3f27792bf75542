"""What the fold of QuickGELU changes in the embeddings of an encoder."""

import numpy as np

from audit.models.quick_gelu import TOLERANCE
from tests.support.model_folders import noise


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def largest_differences(encoder, texts, images=100):
    """Return, for each tower, the largest difference of a row of length 1 with and without the fold; exactly 0: it is not used."""
    both = {"image": (encoder.encode_images, noise(*[(40, 50)] * images)), "text": (encoder.encode_texts, texts)}
    folded = {tower: encode(items) for tower, (encode, items) in both.items()}
    encoder._fold._exact = dict.fromkeys(both, False)
    plain = {tower: encode(items) for tower, (encode, items) in both.items()}
    return {tower: float(np.abs(unit(folded[tower]) - unit(plain[tower])).max()) for tower in both}


def folded_towers(encoder, texts, images=100):
    """Return the towers that use the fold, after checking that no embedding changes by more than rounding."""
    differences = largest_differences(encoder, texts, images)
    assert max(differences.values()) < TOLERANCE
    return {tower for tower, difference in differences.items() if difference > 0}
