"""Captions word by word, bags of words, a teacher: losses by hand, what they may not see, and that each of them teaches the image tower."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from contrastive.checkpoint.file import Checkpoint
from contrastive.loss import BagOfWords, Caption, Contrast, Distillation, ModelWithHead, make_objective
from contrastive.loss.caption import reversed_words
from contrastive.loss.dense import info_nce
from contrastive.loss.distillation import divergence
from contrastive.loss.per_pair import words_mask
from contrastive.model.architecture import ConvConfig, ModelConfig, TextConfig
from contrastive.model.clip import CLIP
from contrastive.model.preprocess import Preprocess
from contrastive.model.tokenizer import train_bpe
from contrastive.model.towers import end_positions
from contrastive.training.optimizer import parameter_groups
from strictio.errors import UsageError
from tests.support.zero_shot import answers, caption_scores, shape_accuracy, shape_captions, shape_classes

pytestmark = pytest.mark.usefixtures("one_thread")

START, END = 8, 9
"""Of a vocabulary of ten ids."""
CONFIG = ModelConfig(6, ConvConfig(8, (4, 8)), TextConfig(context=7, vocab_size=10, width=8, layers=1, head_width=4))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def model_of(config=CONFIG, seed=0):
    return CLIP(config, seeded(seed)).double()


def batch_of(n=4):
    images = torch.randn(n, 3, 8, 8, generator=seeded(1), dtype=torch.float64)
    rows = [[START, 1, 2, END, 0, 0], [START, 3, END, 0, 0, 0], [START, 4, 5, 6, 7, END], [START, 1, 1, 3, END, 0]]
    return images, torch.tensor([rows[i % 4] for i in range(n)])


def features(n):
    return torch.randn(n, 6, generator=seeded(2), dtype=torch.float64)


KINDS = ("caption", "caption-both", "bag-of-words", "softmax")


def test_a_text_ends_at_its_first_end_and_reversing_twice_changes_nothing():
    ids = torch.tensor([[8, 5, 9, 9, 0], [8, 9, 0, 0, 0]])
    assert end_positions(ids, END).tolist() == [2, 1]
    assert words_mask(ids, END).int().tolist() == [[0, 1, 0, 0, 0], [0, 0, 0, 0, 0]]
    assert reversed_words(ids, END).tolist() == ids.tolist()
    _, ids = batch_of()
    assert not torch.equal(reversed_words(ids, END), ids)
    assert torch.equal(reversed_words(reversed_words(ids, END), END), ids)


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_without_an_end_is_refused(kind):
    images, ids = batch_of()
    ids[1, 2] = 0
    with pytest.raises(ValueError, match="row 1 has no end-of-text id"):
        make_objective(kind, CONFIG, seeded()).double()(model_of(), images, ids)


def test_a_caption_costs_the_sum_over_its_words_and_its_end():
    # An embedding of zeros, which is the output layer too, finds all ten ids equally likely: ln 10 for each word and for the end.
    # The four captions have 2 + 1, 1 + 1, 4 + 1 and 3 + 1 places: 14 ln 10 / 4 a pair.
    objective = Caption(CONFIG, generator=seeded()).double()
    nn.init.zeros_(objective.token_embedding.weight)
    assert objective(model_of(), *batch_of()).item() == pytest.approx(14 / 4 * math.log(10))


def test_a_caption_is_a_probability():
    # All texts of at most one word out of the eight that are neither start nor end, and all that go on after a first word: sum 1.
    objective = Caption(CONFIG, generator=seeded()).double()
    nn.init.normal_(objective.token_embedding.weight, generator=seeded(3))
    image = features(1)
    one_word = torch.tensor([[START, word, END] for word in range(9)])
    nothing = objective.log_likelihood(image, torch.tensor([[START, END, 0]])).exp().sum()
    first = objective.logits(image, torch.tensor([[START, 0]])).log_softmax(2).exp()[0, 0]
    second = torch.stack([objective.logits(image, row[None]).log_softmax(2).exp()[0, 1] for row in one_word])
    assert nothing.item() == pytest.approx(first[END].item())
    one = objective.log_likelihood(image.expand(9, -1), one_word).exp()
    torch.testing.assert_close(one, first[:9] * second[:, END])


def test_both_directions_are_the_mean_of_two_decoders():
    both = Caption(CONFIG, both_directions=True, generator=seeded()).double()
    forward, backward = (Caption(CONFIG).double() for _ in range(2))
    for single, decoder in ((forward, both.decoders[0]), (backward, both.decoders[1])):
        single.load_state_dict(both.state_dict(), strict=False)
        single.decoders[0].load_state_dict(decoder.state_dict())
    image, ids = features(4), batch_of()[1]
    mean = (forward.log_likelihood(image, ids) + backward.log_likelihood(image, reversed_words(ids, END))) / 2
    torch.testing.assert_close(both.log_likelihood(image, ids), mean)
    assert not torch.allclose(both.log_likelihood(image, ids), forward.log_likelihood(image, ids))


def test_every_place_sees_the_image_and_none_what_comes_after_it():
    objective = Caption(CONFIG, generator=seeded()).double()
    first, second = objective.logits(features(2), torch.tensor([[START, 1, 2, 3, END]] * 2))
    assert ((first - second).abs().amax(dim=1) > 1e-6).all()
    objective = Caption(CONFIG, layers=2, prefix=3, generator=seeded()).double()
    image, ids = features(1), torch.tensor([[START, 1, 2, 3, 4, END]])
    before = objective.logits(image, ids)
    for place in range(1, 5):
        changed = ids.clone()
        changed[0, place] = 7
        after = objective.logits(image, changed)
        torch.testing.assert_close(after[:, :place], before[:, :place], rtol=0, atol=0)
        assert not torch.allclose(after[:, place], before[:, place])


def test_a_bag_by_hand():
    # Every logit ln 3: each id is there with probability 3/4. Captions have 2, 1, 4 and 2 different words of ten ids:
    # -log p = k ln(4/3) + (10 - k) ln 4 = 10 ln 4 - k ln 3, with k = 9/4 on average. "1 1 3" has two words.
    objective = BagOfWords(CONFIG, generator=seeded()).double()
    nn.init.zeros_(objective.head.weight)
    nn.init.constant_(objective.head.bias, math.log(3))
    assert objective(model_of(), *batch_of()).item() == pytest.approx(10 * math.log(4) - 9 / 4 * math.log(3))


def test_bags_are_probabilities_and_have_no_order_and_no_start_end_or_padding():
    objective = BagOfWords(CONFIG, generator=seeded()).double()
    ids = torch.tensor([[START, 1, 3, END, 0], [START, 3, 1, END, 0], [START, 0, 3, END, 0]])
    assert [row.nonzero().flatten().tolist() for row in objective.bags(ids)] == [[1, 3], [1, 3], [0, 3]]
    # The 2^3 bags over ids 0 to 2, with the other seven questions answered "no", sum to the probability of those seven "no".
    image = features(1)
    bags = [[i for i in range(3) if mask >> i & 1] for mask in range(8)]
    ids = torch.tensor([[START, *bag, END, *[0] * (3 - len(bag))] for bag in bags])
    total = objective.log_likelihood(image.expand(8, -1), ids).exp().sum()
    assert total.item() == pytest.approx(torch.sigmoid(-objective.head(image))[0, 3:].prod().item())


def test_divergence_by_hand():
    # Teacher rows and columns (3/4, 1/4), student even: KL = 3/4 ln(3/2) + 1/4 ln(1/2) for each of the four.
    teacher = torch.tensor([[math.log(3), 0.0], [0.0, math.log(3)]], dtype=torch.float64)
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert float(divergence(torch.zeros(2, 2, dtype=torch.float64), teacher)) == pytest.approx(expected)
    # At temperature 1/2 the teacher says (9/10, 1/10); the factor is 1/4.
    sharper = (0.9 * math.log(1.8) + 0.1 * math.log(0.2)) / 4
    assert float(divergence(torch.zeros(2, 2, dtype=torch.float64), teacher, 0.5)) == pytest.approx(sharper)


WORDS = train_bpe(["one two three four five six seven"] * 3, vocab_size=560, context=7)
OWN = replace(CONFIG, text=replace(CONFIG.text, vocab_size=WORDS.vocab_size))


def teacher_of(tokenizer=WORDS, size=8):
    text = replace(CONFIG.text, vocab_size=tokenizer.vocab_size, context=tokenizer.context)
    config = replace(CONFIG, vision=ConvConfig(size, (4, 8)), text=text)
    return Checkpoint(model_of(config, seed=5), Preprocess(size), tokenizer)


def spoken():
    return WORDS(["one two", "three", "four five six", "seven one"])


def test_weight_mixes_the_usual_loss_and_the_divergence_and_a_teacher_that_is_the_student_adds_nothing():
    images, ids = batch_of()[0], spoken()
    student, same = model_of(OWN, seed=6).eval(), model_of(OWN, seed=5).eval()
    values = [Distillation(teacher_of(), WORDS, Preprocess(8), weight=w)(student, images, ids).item() for w in (0, 0.25, 1)]
    assert Distillation(teacher_of(), WORDS, Preprocess(8), weight=1.0)(same, images, ids).item() == pytest.approx(0, abs=1e-12)
    assert values[2] > 1e-3
    image, text, scale = student(images, ids)
    assert values[0] == pytest.approx(info_nce(image, text, scale).item())
    assert values[1] == pytest.approx(0.75 * values[0] + 0.25 * values[2])


def test_a_teacher_reads_its_own_vocabulary():
    larger = train_bpe(["one two three four five six seven", "eight nine"] * 3, vocab_size=570, context=9)
    assert larger.sha256 != WORDS.sha256
    objective = Distillation(teacher_of(larger), WORDS, Preprocess(8))
    assert torch.equal(objective.teacher_ids(spoken()), larger(["one two", "three", "four five six", "seven one"]))


def test_a_teacher_is_never_trained():
    objective = Distillation(teacher := teacher_of(), WORDS, Preprocess(8))
    ModelWithHead(model_of(OWN), objective).train()(batch_of()[0], spoken()).backward()
    assert not list(objective.parameters())
    assert not objective.state_dict()
    assert not teacher.model.training
    assert all(parameter.grad is None for parameter in teacher.model.parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"teacher": teacher_of(size=16)}, "other pixels"), ({"weight": 1.5}, "weight"), ({"temperature": 0.0}, "temperature")],
)
def test_what_cannot_be_distilled_is_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        Distillation(**{"teacher": teacher_of(), "tokenizer": WORDS, "preprocess": Preprocess(8), **arguments})


def objective_of(kind):
    return Distillation(teacher_of(), WORDS, Preprocess(8)) if kind == "distil" else make_objective(kind, OWN, seeded()).double()


@pytest.mark.parametrize("kind", [*KINDS, "distil"])
def test_gradients_reach_the_whole_image_tower_and_the_head_and_padding_is_ignored(kind):
    together = ModelWithHead(model_of(OWN), objective_of(kind))
    together(batch_of()[0], spoken()).backward()
    for name, parameter in [*together.model.visual.named_parameters(), *together.objective.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
    # More of it, and other ids in it: the loss is the same.
    model, objective, images, ids = model_of(OWN).eval(), objective_of(kind), batch_of()[0], spoken()
    assert ids.shape[1] == 7
    shorter = ids[:, : int(end_positions(ids, WORDS.eot).max()) + 1]
    littered = torch.where(torch.arange(7) > end_positions(ids, WORDS.eot)[:, None], 5, ids)
    loss = objective(model, images, ids)
    for same in (shorter, littered):
        torch.testing.assert_close(objective(model, images, same), loss, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["caption", "caption-both", "bag-of-words"])
def test_a_batch_costs_the_mean_of_its_halves(kind):
    # So parts and processes can be averaged: no pair needs the others.
    model, objective = model_of().eval(), make_objective(kind, CONFIG, seeded()).double()
    images, ids = batch_of()
    halves = (objective(model, images[:2], ids[:2]) + objective(model, images[2:], ids[2:])) / 2
    torch.testing.assert_close(objective(model, images, ids), halves)


def test_an_unknown_objective_names_the_nearest():
    with pytest.raises(UsageError, match=r"did you mean bag-of-words\?"):
        make_objective("bag-of-word", CONFIG)


COLOURS = torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1]])
SAID = torch.tensor([[START, 1, 4, END], [START, 2, 4, END], [START, 3, 4, END]])


def colour_batch(n, generator):
    truth = torch.randint(3, (n,), generator=generator)
    images = COLOURS[truth][:, :, None, None] + 0.5 * torch.randn(n, 3, 8, 8, generator=generator)
    return images, truth


@pytest.mark.slow_except("bag-of-words")
@pytest.mark.parametrize("kind", KINDS)
def test_every_objective_teaches_to_tell_three_colours(kind):
    model = CLIP(CONFIG, seeded())
    together = ModelWithHead(model, make_objective(kind, CONFIG, seeded(1)))
    optimizer = torch.optim.AdamW(parameter_groups(together.named_parameters(), 0.0), lr=1e-2)
    generator = seeded(2)
    new, truth = colour_batch(60, seeded(3))

    def accuracy():
        found = answers(caption_scores(model, together.objective, new, SAID), [[0], [1], [2]])
        return float((found == truth).float().mean())

    before = accuracy()
    model.train()
    for _ in range(60):
        images, drawn = colour_batch(24, generator)
        optimizer.zero_grad()
        together(images, SAID[drawn]).backward()
        optimizer.step()
    assert before < 0.8
    assert accuracy() >= 0.95


def test_scores_of_every_pair_are_those_of_the_rows():
    model, images, ids = model_of().eval(), *batch_of()
    for kind in ("caption", "bag-of-words"):
        objective = make_objective(kind, CONFIG, seeded()).double()
        scores = caption_scores(model, objective, images, ids)
        torch.testing.assert_close(scores.diagonal(), objective.log_likelihood(model.encode_image(images), ids))
        torch.testing.assert_close(scores[2, :1], objective.log_likelihood(model.encode_image(images[2:3]), ids[:1]))
    image, text, scale = model(images, ids)
    torch.testing.assert_close(caption_scores(model, Contrast(), images, ids), (scale * image @ text.T).detach())


def test_a_class_is_the_mean_probability_of_its_captions():
    # First picture: (0.5 + 0.1) / 2 = 0.3 against 0.4 alone. Second: (0.9 + 0) / 2 against 0.1. The constant of a row does not matter.
    scores = torch.tensor([[0.5, 0.1, 0.4], [0.9, 1e-9, 0.1]]).log()
    assert answers(scores, [[0, 1], [2]]).tolist() == [1, 0]
    assert answers(scores + torch.tensor([[50.0], [-50.0]]), [[0, 1], [2]]).tolist() == [1, 0]


def test_kinds_of_shapes_are_shared_out_among_the_classes_and_a_model_that_sees_everything_answers_everything():
    captions = shape_captions()
    assert len(set(captions)) == 144
    for attribute, count in (("colour", 6), ("shape", 4), ("count", 3), ("size", 2)):
        classes = shape_classes(attribute)
        assert sorted(kind for members in classes.values() for kind in members) == list(range(144))
        assert [len(members) for members in classes.values()] == [144 // count] * count
    assert all("red" in captions[kind] for kind in shape_classes("colour")["red"])
    perfect = torch.full((144, 144), -50.0).fill_diagonal_(0.0)
    assert shape_accuracy(perfect, range(144)) == {"colour": 1.0, "shape": 1.0, "count": 1.0, "size": 1.0}
    one_off = perfect.roll(1, dims=1)  # always the next kind, which differs in size at least
    assert shape_accuracy(one_off, range(144))["size"] == 0.0
