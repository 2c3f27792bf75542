"""GeoDE and Dollar Street: their own files are read as they are, any right topic counts, and another layout is refused."""

import pytest

from audit.errors import DataError, UsageError
from audit.extensions.capability import dollarstreet, geode
from audit.types import LoadOptions
from tests.extensions.capability.made import dollarstreet as made_dollarstreet
from tests.extensions.capability.made import geode as made_geode


def test_geode_knows_the_region_of_a_country_and_writes_no_underscores(tmp_path):
    """40 pictures of Nigeria first, then 36 of Brazil, then of South Korea; the last is of Iceland, which the authors did not ask."""
    made_geode.make(tmp_path)
    dataset = geode.load(LoadOptions(tmp_path))
    shown = dataset.attributes
    assert len(dataset.images) == 156
    assert shown.iloc[0].to_dict() == {"object": "hand soap", "region": "Africa", "country": "Nigeria"}
    assert shown.iloc[77].to_dict() == {"object": "stove", "region": "EastAsia", "country": "South Korea"}
    assert shown.iloc[155]["region"] == "unknown"
    assert len(geode.OBJECTS) == 40
    assert geode.PROBE.measurements[0].label_set.prompts["spices"] == ("a photo of spices",)


def test_a_column_of_regions_counts_more_than_the_country(tmp_path):
    made_geode.make(tmp_path)
    lines = (tmp_path / "index.csv").read_text().splitlines()
    (tmp_path / "index.csv").write_text("\n".join([lines[0] + ",region", *(line + ",Europe" for line in lines[1:])]))
    assert set(geode.load(LoadOptions(tmp_path)).attributes["region"]) == {"Europe"}


def test_paths_may_be_relative_to_the_folder_of_images(tmp_path):
    made_geode.make(tmp_path)
    table = tmp_path / "index.csv"
    table.write_text(table.read_text().replace("images/", ""))
    assert len(geode.load(LoadOptions(tmp_path)).images[5]) > 0


def test_dollar_street_names_topics_incomes_and_homes(tmp_path):
    """60 dollars are the lowest quarter, 300 the second, 1,200 the third, 9,000 the highest; number 7 says none; two rows a home."""
    made_dollarstreet.make(tmp_path)
    dataset = dollarstreet.load(LoadOptions(tmp_path))
    shown = dataset.attributes
    assert [shown["income"].iloc[row] for row in (0, 7, 40, 70, 119)] == [
        "lowest quarter", "unknown", "second quarter", "third quarter", "highest quarter",
    ]  # fmt: skip
    assert shown["topics"].iloc[0] == "toilet; bathroom/toilet"
    assert shown["topics"].iloc[33] == "unknown"
    assert shown["place"].nunique() == 60
    assert set(shown["region"]) == {"Africa", "Americas", "Asia", "Europe"}
    assert any("family snapshots" in str(note) for note in dataset.notes)


def test_dollar_streets_table_of_all_images_writes_topics_as_python_does(tmp_path):
    made_dollarstreet.make(tmp_path)
    (tmp_path / dollarstreet.FILES[0]).rename(tmp_path / "images_v2.csv")
    as_json = dollarstreet.load(LoadOptions(tmp_path)).attributes["topics"]
    table = tmp_path / "images_v2.csv"
    table.write_text(table.read_text().replace('""', "'"))
    assert "['family snapshots']" in table.read_text()
    dataset = dollarstreet.load(LoadOptions(tmp_path))
    assert dataset.attributes["topics"].tolist() == as_json.tolist()
    assert "images_v2.csv" in dataset.source


def test_dollar_street_takes_kinds_of_a_thing_together_and_activities_for_their_thing(tmp_path):
    """The topics that a public loader asks (of fifteen more), and the activities that show no one thing."""
    made_dollarstreet.make(tmp_path)
    table = tmp_path / dollarstreet.FILES[0]
    text = table.read_text().replace('"[""family snapshots""]"', '"[""bed kids"", ""using toilet"", ""doing dishes""]"', 1)
    table.write_text(text)
    dataset = dollarstreet.load(LoadOptions(tmp_path))
    assert dataset.attributes["topics"].iloc[33] == "bed; toilet"
    assert any("doing dishes" in str(note) for note in dataset.notes)
    labels = dollarstreet.PROBE.measurements[0].label_set
    assert labels.answers["light source in kitchen"] == labels.answers["reading light"] == "light sources"
    assert {"shoes", "bed kids", "light source in kitchen", "paper", "waste dumps", "table with food"} <= set(labels.labels)
    assert set(dollarstreet.SAME.values()) | set(dollarstreet.SHOWN.values()) <= set(labels.labels)
    assert len(set(labels.prompts.values())) == len(labels.labels)
    assert not set(dollarstreet.SAME.values()) & set(dollarstreet.SAME)


@pytest.mark.parametrize("cell", ["[" * 5000, "[1]", "{'a': 1}", "plates", f"['{'x' * 20000}']", "['a', __import__('os')]"])
def test_topics_that_are_not_a_list_of_texts_are_refused(tmp_path, cell):
    header = "imageRelPath,topics,place,income,region.id,country.name\n"
    (tmp_path / dollarstreet.FILES[2]).write_text(f'{header}a.jpg,"{cell}",p,1,af,Togo\n')
    with pytest.raises(DataError, match="not a list of texts at line 2"):
        dollarstreet.load(LoadOptions(tmp_path))


@pytest.mark.parametrize(
    ("probe", "file", "text", "found"),
    [
        (geode, "index.csv", "thing,ip_country\ndog,Italy\n", "no column object, but thing, ip_country"),
        (dollarstreet, dollarstreet.FILES[0], "imageRelPath,topics\na.jpg,[]\n", "no column place"),
        (
            dollarstreet,
            dollarstreet.FILES[1],
            "imageRelPath,topics,place,income,region.id,country.name\na.jpg,\"__import__('os')\",p,1,af,Togo\n",
            "not a list of texts at line 2",
        ),
    ],
)
def test_another_layout_is_refused_with_what_was_found(tmp_path, probe, file, text, found):
    (tmp_path / file).write_text(text)
    with pytest.raises(DataError, match=found):
        probe.load(LoadOptions(tmp_path))


def test_an_income_that_is_no_number_is_refused_and_data_must_be_named(tmp_path):
    made_dollarstreet.make(tmp_path)
    table = tmp_path / dollarstreet.FILES[0]
    table.write_text(table.read_text().replace(",60.0,", ",sixty,", 1))
    with pytest.raises(DataError, match="the income 'sixty' is no number"):
        dollarstreet.load(LoadOptions(tmp_path))
    with pytest.raises(UsageError, match="no location for the data of GeoDE"):
        geode.load(LoadOptions(None))
