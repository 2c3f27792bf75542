"""Word lists of probes: what is refused, what a prompt says, and what the title names."""

import pytest

import probes
from audit.errors import DataError, MachineError, UsageError
from audit.types import LoadOptions
from probes.faces import moderation, taxonomy, traits
from probes.people import tagging
from probes.prompts.words import word_list

LISTS = (tagging.WORDS, moderation.WORDS, traits.WORDS, traits.AGENCY, traits.COMMUNION, taxonomy.WORDS)


@pytest.mark.parametrize(
    ("text", "what"), [("nurse, , judge", "an empty entry"), ("nurse, Nurse", "'Nurse' stands twice"), ("nurse, judge,", "an empty entry")]
)
def test_empty_and_repeated_entries_are_refused(text, what):
    with pytest.raises(UsageError, match=what):
        word_list("made up", 1, {"work": ("noun", text)})


def test_a_word_in_two_areas_is_refused_with_both():
    with pytest.raises(UsageError, match="'judge' stands twice") as refused:
        word_list("made up", 1, {"law": ("noun", "judge"), "sport": ("noun", "referee, judge")})
    assert refused.value.where == "law, sport"


def test_words_are_stripped_and_composed():
    """A decomposed é (e and a combining accent) is the composed one."""
    assert word_list("made up", 1, {"work": ("noun", "  cafe\u0301   owner ")}).words == ("caf\u00e9 owner",)


def test_the_title_names_version_number_and_hash_and_the_hash_follows_every_word():
    one, other = (word_list("made up", 2, {"work": ("noun", text)}) for text in ("nurse, judge", "nurse, judges"))
    assert one.title.startswith("made up v2, 2 words, ")
    assert (len(one.title.split(", ")[2]), one.title == other.title) == (8, False)


@pytest.mark.parametrize("words", LISTS, ids=lambda words: words.name)
def test_prompts_have_one_article_and_no_slash(words):
    for word, (prompt,) in words.prompts().items():
        assert "/" not in prompt
        assert not prompt.removeprefix("a photo of ").startswith(("a a ", "an an ", "a an ", "an a "))
        assert word in prompt
        article, _, rest = prompt.removeprefix("a photo of ").partition(" ")
        if article in ("a", "an") and rest[0] in "bcdfgjklmnpqrstvwxyz":
            assert article == "a", prompt


def test_the_lists_are_as_large_as_they_say():
    assert 100 <= len(tagging.WORDS.words) <= 300
    assert (len(taxonomy.WORDS.areas), set(taxonomy.SOURCES)) == (10, set(taxonomy.WORDS.areas))
    assert {len(words) for words in taxonomy.WORDS.outcomes().values()} == {10}
    assert [len(traits.AGENCY.words), len(traits.COMMUNION.words), len(traits.PAIRS)] == [12, 12, 5]


def test_portraits_need_a_gender_and_its_spellings_are_read_alike(tmp_path):
    from tests.probes.made.tagging import make

    location = make(tmp_path)[1]
    dataset = tagging.load(LoadOptions(location))
    assert dataset.levels["gender"] == ("Female", "Male")
    assert dataset.attributes["gender"].value_counts().to_dict() == {"Female": 64, "Male": 45, "unknown": 1}
    assert "party" in dataset.levels
    table = tmp_path / "labels.csv"
    table.write_text(table.read_text().replace("gender", "sex"))
    with pytest.raises(DataError, match="no column 'gender'"):
        tagging.load(LoadOptions(location))
    table.write_text(table.read_text().replace("sex", "gender").replace("woman", "wmoan"))
    with pytest.raises(DataError, match="'wmoan' in the column 'gender'"):
        tagging.load(LoadOptions(location))
    with pytest.raises((UsageError, MachineError), match="no location for the data of portraits of your own"):
        tagging.load(LoadOptions(None))


def test_only_the_gender_of_portraits_is_inferred():
    """Under --no-inference the work stays, and the labels above a threshold."""
    assert [measurement.name for measurement in probes.get("tagging").measurements if measurement.infers] == ["gender"]
