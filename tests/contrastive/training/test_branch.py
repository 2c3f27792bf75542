"""A cooldown from an older state is the run that had this end from the beginning, to the bit; anything else is refused."""

import pytest
import torch

from contrastive.checkpoint.file import load
from contrastive.train import main
from contrastive.training import loop
from contrastive.training.branch import branch
from strictio.errors import UsageError
from tests.support.training import TINY_VIT, after, assert_same_bytes, prepared, run_text

pytestmark = pytest.mark.usefixtures("one_thread", "shapes_prepared_once")

RUN = run_text(
    TINY_VIT,
    data="batch = 24",
    optim='steps = 20; lr = 1e-3; warmup = 2; schedule = "constant"; ema = 0.9',
    run="keep_every = 4; save_every = 3",
    out="OUT/stable",
)
COOLDOWN = ["optim.schedule=wsd", "optim.steps=12", "optim.cooldown=4"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a stable run of 20 steps, whose states of steps 4, 8, ... 20 were kept, and one that cools down to step 12."""
    folder = tmp_path_factory.mktemp("branch")
    (folder / "run.toml").write_text(RUN.replace("OUT", str(folder)))
    torch.set_num_threads(1)
    assert main([str(folder / "run.toml"), "--quiet"]) == 0
    assert command(folder, "straight", *COOLDOWN) == 0
    return folder


def command(place, name, *overrides):
    return main([str(place / "run.toml"), "--quiet", f"run.out={place / name}", "run.keep_every=0", *overrides])


def assert_same_ends(place, *names):
    assert_same_bytes(*(load(place / name / "ckpt.pt").model.state_dict() for name in names))


@pytest.mark.slow
def test_a_cooldown_from_an_older_state_equals_the_whole_run(place):
    assert command(place, "cooled", *COOLDOWN, f"run.resume={place / 'stable' / 'step-000008.pt'}") == 0
    straight, cooled, stable = (load(place / name / "ckpt.pt") for name in ("straight", "cooled", "stable"))
    assert (cooled.step, stable.step) == (12, 20)
    assert_same_bytes(cooled.model.state_dict(), straight.model.state_dict())
    assert_same_bytes(cooled.ema, straight.ema)
    assert cooled.account["compute"]["samples"] == straight.account["compute"]["samples"] == 12 * 24
    assert not torch.equal(cooled.model.text_projection, stable.model.text_projection)


def test_a_longer_run_goes_on_from_the_end_of_a_shorter(place):
    assert command(place, "long", "optim.steps=24") == 0
    assert command(place, "longer", "optim.steps=24", f"run.resume={place / 'stable' / 'step-000020.pt'}") == 0
    assert_same_ends(place, "long", "longer")


def test_an_interrupted_branch_is_taken_up_in_its_own_folder(place):
    resume = f"run.resume={place / 'stable/step-000008.pt'}"
    inputs = prepared(place / "run.toml", *COOLDOWN, f"run.out={place / 'broken'}", resume)
    training, _ = after(inputs, 1, branch(inputs))
    loop.save_run(training, inputs)
    assert load(place / "broken" / "ckpt.pt").step == 9
    assert command(place, "broken", *COOLDOWN, "run.resume=gone.pt") == 0  # where it came from is not asked again
    assert_same_ends(place, "broken", "straight")


def test_a_folder_of_shards_is_resumed_too(place):
    inputs = prepared(place / "run.toml", "run.sharded=true", f"run.out={place / 'pieces'}")
    training, _ = after(inputs, 5)
    loop.save_run(training, inputs)
    [shards] = (place / "pieces" / "shards").glob("step-*")
    assert command(place, "from shards", *COOLDOWN, f"run.resume={shards}") == 0
    assert_same_ends(place, "from shards", "straight")


@pytest.mark.slow_except(
    "overrides0-the learning rate of step 8 was 0.001, with this schedule",
    "overrides1-the learning rate of step 4 was 0.001, with this schedule it would have been",
    "overrides2-has taken 8 steps, optim.steps is 8",
    "overrides3-optim.lr was 0.001, now 0.002",
    "overrides4-run.seed was 0, now 1",
)
@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["optim.schedule=wsd", "optim.steps=12", "optim.cooldown=6"], "the learning rate of step 8 was 0.001, with this schedule"),
        (["optim.schedule=cosine"], "the learning rate of step 4 was 0.001, with this schedule it would have been"),
        (["optim.steps=8"], "has taken 8 steps, optim.steps is 8"),
        (["optim.lr=2e-3"], "optim.lr was 0.001, now 0.002"),
        (["run.seed=1"], "run.seed was 0, now 1"),
        (["data.batch=12"], "data.batch was 24, now 12"),
    ],
)
def test_another_past_is_refused(place, overrides, words):
    resume = f"run.resume={place / 'stable' / 'step-000008.pt'}"
    with pytest.raises(UsageError) as caught:
        branch(prepared(place / "run.toml", resume, f"run.out={place / 'no'}", *overrides))
    assert words in str(caught.value)
    assert caught.value.fix


def test_a_state_without_the_optimisers_is_refused_and_a_cosine_run_keeps_such(place, capsys):
    assert command(place, "no", f"run.resume={place / 'stable' / 'ckpt.pt'}", "optim.steps=30") == 3
    shown = capsys.readouterr().err
    assert "has no state of the optimiser" in shown
    assert "optim.schedule = wsd or constant" in shown
    assert command(place, "no", "run.resume=none.pt") == 3
    assert not (place / "no" / "ckpt.pt").exists()
    assert command(place, "cosine", "optim.schedule=cosine", "optim.steps=5", "run.keep_every=4") == 0
    assert load(place / "cosine" / "step-000004.pt").training is None
    assert load(place / "stable" / "step-000004.pt").training is not None
