"""GeoDE and Dollar Street: their own files are read as they are, any right topic counts, and another layout is refused."""

import pytest

from audit.errors import DataError, UsageError
from audit.types import LoadOptions
from probes.capability import dollarstreet, geode
from tests.probes.made import dollarstreet as made_dollarstreet
from tests.probes.made import geode as made_geode


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


@pytest.mark.parametrize(
    ("probe", "file", "text", "found"),
    [
        (geode, "index.csv", "thing,ip_country\ndog,Italy\n", "no column object, but thing, ip_country"),
        (dollarstreet, dollarstreet.FILES[0], "imageRelPath,topics\na.jpg,[]\n", "no column place"),
        (
            dollarstreet,
            dollarstreet.FILES[1],
            "imageRelPath,topics,place,income,region.id,country.name\na.jpg,\"__import__('os')\",p,1,af,Togo\n",
            "no JSON list of texts at line 2",
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
