"""Which images two audits share, and whether they agree about what these show."""

from types import SimpleNamespace

import pandas as pd
import pytest

from audit.comparison.sides import aligned, identifiers, in_all
from audit.errors import DataError


def table(ids, **columns):
    return pd.DataFrame({name: pd.Categorical(values) for name, values in columns.items()}, index=pd.Index(list(ids), name="id"))


def side(name, answers, numbered=False):
    """A finished audit of one probe that knows groups."""
    audit = SimpleNamespace(data=SimpleNamespace(numbered=numbered, groups={"group": {}}))
    return SimpleNamespace(side=SimpleNamespace(name=name), audits={"zoo": audit}, answers={("zoo", "animal"): answers})


def align(*tables):
    return aligned("zoo", "animal", [side(f"m{place}", each) for place, each in enumerate(tables)])


def test_shared_images_come_in_the_order_of_the_first():
    first = table("abcd", group=[*"xyxy"], y_true=[*"kkll"], y_pred=[*"kkkk"])
    second = table("dxba", group=[*"yxyx"], y_true=[*"lkkk"], y_pred=[*"llll"])
    one, other = align(first, second)
    assert (list(one.index), list(other.index)) == ([*"abd"], [*"abd"])
    assert list(other["y_pred"]) == ["l", "l", "l"]


def test_a_true_answer_that_both_lack_is_no_difference_and_one_that_only_one_has_is():
    """Categories in another order, and more of them, are no difference either."""
    first = table("abc", group=[*"xyx"], y_true=["k", None, "l"], y_pred=[*"kkk"])
    same = table("abc", group=[*"xyx"], y_true=pd.Categorical(["k", None, "l"], ["m", "l", "k"]), y_pred=[*"lll"])
    assert len(align(first, same)) == 2
    nothing = table("abc", group=[*"xyx"], y_true=[None, None, None], y_pred=[*"kkk"])
    assert len(align(nothing, nothing)) == 2
    for truth, differing in ((["k", "k", "l"], 1), (["k", None, None], 1), (["m", None, "k"], 2), ([None, None, None], 2)):
        other = table("abc", group=[*"xyx"], y_true=truth, y_pred=[*"lll"])
        for pair in ((first, other), (other, first)):
            with pytest.raises(DataError, match="disagree about what the images show") as error:
                align(*pair)
            assert f"y_true differs for {differing} of 3 images" in str(error.value.why)


def test_audits_without_a_common_image_are_refused():
    with pytest.raises(DataError, match="no image in common"):
        align(table("ab", group=[*"xy"], y_pred=[*"kk"]), table("cd", group=[*"xy"], y_pred=[*"kk"]))


def test_an_image_is_known_by_any_measurement_of_the_probe():
    answers = {
        ("zoo", "animal"): table("ab", y_pred=[*"kk"]),
        ("zoo", "colour"): table("bc", y_pred=[*"kk"]),
        ("farm", "animal"): table("z", y_pred=["k"]),
    }
    assert list(identifiers("zoo", SimpleNamespace(answers=answers))) == [*"abc"]
    assert list(in_all([pd.Index([*"cab"]), pd.Index([*"abd"])])) == [*"ab"]
