"""Words in other languages, checked by hand-made rules: lengths, duplicates, gendered forms, scripts, and articles."""

import difflib
import re
import unicodedata

import pytest

import probes
from probes.faces.occupations import FIELDS, PROMPTS, occupation
from probes.prompts.languages import codes, language
from probes.words.text_only import ENGLISH

LANGUAGES = [language(code) for code in codes()[1:]]
by_language = pytest.mark.parametrize("words", LANGUAGES, ids=lambda words: words.code)
GENDERED = {words.code for words in LANGUAGES} - {"zh"}
MASCULINE = {
    "de": ("ein ",), "fr": ("un ",), "es": ("un ",), "pt": ("um ",), "it": ("un ", "uno "), "ar": ("",),
}  # fmt: skip
FEMININE = {"de": ("eine ",), "fr": ("une ",), "es": ("una ",), "pt": ("uma ",), "it": ("una ", "un'"), "ar": ("",)}
SCRIPTS = {"ar": "ARABIC", "zh": "CJK"}


def every_text(words):
    """Yield every text of a language."""
    yield from (words.template, words.named, *words.people.values(), *words.women, *words.men, *words.she, *words.he, *words.leadership)
    yield from (*words.care, *words.sentences, *words.concepts, *(form for forms in words.occupations.values() for form in forms))
    yield from (text for contrast in words.contrasts for text in contrast.texts)


def test_there_are_eight_languages_with_english():
    assert codes() == ("en", "ar", "de", "es", "fr", "it", "pt", "zh")


@by_language
def test_lengths_are_those_of_the_design(words):
    assert len(words.women) == len(words.men) == 12
    assert len(words.she) == len(words.he) == 6
    assert len(words.sentences) == len(ENGLISH)
    assert len(words.concepts) == 24 == len(words.women) + len(words.men)
    assert (len(words.leadership), len(words.care)) == (2, 4)
    assert [contrast.people for contrast in words.contrasts] == [True] * 6 + [False] * 14


@by_language
def test_every_occupation_is_there_with_its_forms(words):
    assert list(words.occupations) == [occupation(name) for names in FIELDS.values() for name in names] == list(PROMPTS)
    forms = [form for pair in words.occupations.values() for form in pair]
    assert len(set(forms)) == len(forms)
    assert {len(pair) for pair in words.occupations.values()} == ({2} if words.code in GENDERED else {1})


@pytest.mark.parametrize("code", sorted(GENDERED))
def test_the_masculine_form_comes_first_and_articles_agree(code):
    for masculine, feminine in language(code).occupations.values():
        assert masculine.startswith(MASCULINE[code]), masculine
        assert feminine.startswith(FEMININE[code]), feminine
        assert not masculine.startswith(("una ", "une ", "uma ", "eine ")), masculine
        if code == "ar":  # the feminine ends in ta marbuta, at its first word
            assert feminine.split()[0].endswith("ة"), feminine
            assert not masculine.split()[0].endswith("ة"), masculine


def test_italian_articles_follow_the_sound_of_the_word():
    """uno before s with a consonant, z, gn, ps; un' before the vowel of a feminine word."""
    texts = [text for text in every_text(language("it")) if re.match(r"(un|uno|una) |un'", text)]
    for text in texts:
        article, rest = re.match(r"(un'|uno |un |una )(.*)", text).groups()
        hard, vowel = bool(re.match(r"s[^aeiou]|z|gn|ps", rest)), rest[0].lower() in "aeiou"
        expected = {"uno ": hard, "un'": vowel, "un ": not hard, "una ": not vowel}
        assert expected[article], text


@by_language
def test_no_list_has_a_duplicate_and_no_word_is_on_both_sides(words):
    lists = [words.women + words.men, words.she + words.he, words.leadership + words.care, words.sentences, words.concepts]
    lists.append(tuple(text for contrast in words.contrasts for text in contrast.texts))
    for texts in lists:
        assert len({text.casefold() for text in texts}) == len(texts), texts
    for contrast in words.contrasts:
        assert len({*contrast.texts}) == len({*contrast.english}) == 2


@by_language
def test_texts_are_composed_and_in_the_script_of_the_language(words):
    for text in every_text(words):
        assert text == unicodedata.normalize("NFC", text) == " ".join(text.split()), text
        letters = [letter for letter in text.replace("{label}", "") if letter.isalpha()]
        scripts = {unicodedata.name(letter).split()[0] for letter in letters}
        assert scripts <= {SCRIPTS.get(words.code, "LATIN")}, text


@by_language
def test_the_checks_of_man_and_woman_and_of_doctor_and_dog_are_there(words):
    names = [contrast.name for contrast in words.contrasts]
    assert names[0] == "a man / a woman"
    assert "a doctor / a dog" in names
    assert set(words.people) == {"woman", "man", "person", "dog"}
    assert {words.people["man"], words.people["woman"]} == set(words.contrasts[0].texts)
    assert words.occupations["doctor"][0] in dict(zip(names, words.contrasts, strict=True))["a doctor / a dog"].texts


@by_language
def test_pairs_avoid_words_that_look_like_their_translation(words):
    """A model of English could tell them by their letters. Man and woman are there in any case."""
    for contrast in words.contrasts[1:]:
        for text, english in zip(contrast.texts, contrast.english, strict=True):
            alike = difflib.SequenceMatcher(None, plain(text), plain(english)).ratio()
            assert alike <= 0.6, (text, english)


def plain(text):
    """The last word, without accents."""
    word = re.split(r"[ ']", text)[-1].casefold()
    return "".join(letter for letter in unicodedata.normalize("NFD", word) if not unicodedata.combining(letter))


@by_language
def test_pronouns_change_and_sentences_otherwise_agree(words):
    for she, he in zip(words.she, words.he, strict=True):
        assert she != he
        if words.code != "ar":  # there the verb agrees, too
            assert she.split(" ", 1)[1:] == he.split(" ", 1)[1:]
        if words.code == "zh":
            assert (she[0], he[0], she[1:]) == ("她", "他", he[1:])


@pytest.mark.parametrize("name", ["text_only", "occupations"])
@by_language
def test_a_probe_in_another_language_has_its_words_and_a_check_and_no_english_prompt(words, name):
    probe = probes.get(name).in_language(words.code)
    check, *others = probe.analyses
    assert check.question == f"Does the model understand {words.name}?"
    assert others
    assert any(words.forms in limit for limit in probe.limits)
    for measurement in probe.measurements:
        assert {len(texts) for texts in measurement.label_set.prompts.values()} == ({2} if words.code in GENDERED else {1})
        assert measurement.preset.endswith(words.preset)
        assert not any("a photo of" in text for texts in measurement.label_set.prompts.values() for text in texts)


def test_captions_have_the_right_grammar():
    """Read by a person once, and kept here: one caption per language, with the form after the article."""
    captions = {words.code: words.photo(words.occupations["doctor"][-1]) for words in LANGUAGES}
    assert captions == {
        "ar": "صورة طبيبة", "de": "Auf diesem Foto ist eine Ärztin zu sehen.", "es": "una foto de una médica",
        "fr": "une photo d'une médecin", "it": "una foto di una medica", "pt": "uma foto de uma médica", "zh": "一张医生的照片",
    }  # fmt: skip
