"""Building without drawing: nothing is drawn inside, everything as ever outside, and torch's compiler stays unloaded."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from contrastive.model.clip import CLIP, load_portable, portable_state
from contrastive.model.presets import preset
from strictio.weights.fill import skip_init


def test_nothing_is_drawn_and_drawing_until_it_fits_ends():
    sevens = torch.full((3, 4), 7.0)
    with skip_init():
        weight = sevens.clone()
        for name in ("normal_", "uniform_", "kaiming_uniform_"):
            assert torch.equal(getattr(torch.nn.init, name)(weight), sevens), name
        assert torch.equal(torch.nn.init.normal_(tensor=weight, std=2.0), sevens)
        assert torch.equal(torch.nn.init.ones_(weight), torch.ones(3, 4))  # no draw
        assert torch.equal(weight.normal_(), torch.zeros(3, 4))
        assert torch.equal(torch.nn.init.xavier_normal_(sevens.clone()), torch.zeros(3, 4))
        # This one draws again while a value is out of bounds; memory may hold anything.
        assert torch.nn.init.trunc_normal_(torch.full((3, 4), 7.0)).abs().max() <= 2
        assert torch.nn.init.trunc_normal_(torch.full((3, 4), torch.nan)).isfinite().all()
    assert not torch.equal(torch.nn.init.normal_(torch.zeros(9)), torch.zeros(9))


def test_a_model_filled_from_a_file_is_the_model_that_was_saved():
    config = preset("tiny-vit", vocab_size=600)
    model = CLIP(config, torch.Generator().manual_seed(0)).eval()
    again = load_portable(config, portable_state(model)).eval()
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.equal(again.encode_image(pixels), model.encode_image(pixels))
    assert not any(weight.is_meta for weight in again.state_dict().values())


@pytest.mark.slow
def test_loading_a_model_does_not_import_torchs_compiler():
    """On the meta device the first draw would: a second of time and 70 MB."""
    code = (
        "import sys, torch\n"
        "from contrastive.model.clip import CLIP, load_portable, portable_state\n"
        "from contrastive.model.presets import preset\n"
        "config = preset('tiny-vit', vocab_size=600)\n"
        "load_portable(config, portable_state(CLIP(config)))\n"
        "sys.exit('torch._dynamo' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False).returncode == 0
