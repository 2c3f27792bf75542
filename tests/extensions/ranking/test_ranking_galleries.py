"""Rankings with a gallery for each query: the metrics of the VisoGender paper, by hand and in plain loops; the planned question."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.analyses.plans import RankingPlan
from audit.engine.answers import audit
from audit.errors import UsageError
from audit.extensions.ranking import computation as ranking
from audit.extensions.ranking.sentences import not_ranked_sentence, ranking_title, search_sentence, tied_sentence
from audit.measure.retrieved import predict
from audit.statistics.findings import decide_verdicts, findings
from audit.statistics.paired.findings import with_sets
from audit.testing import FakeEncoder, gender_probe
from audit.types import UNKNOWN, Dataset, Settings
from reports.text.notes import sentence
from tests.audit.measure.asked.test_interview import FakeAnswerer
from tests.support.analyses import analysed

LEVELS = {"gender": ("man", "woman")}
SMALL = Settings(draws=999, min_group_size=2)


def galleries(orders):
    """Return a data set, its embeddings and the texts of queries: one string of m and w per query, the best image first."""
    rows, vectors = [], []
    for place, (query, order) in enumerate(orders.items()):
        for rank, letter in enumerate(order):
            vector = np.zeros(len(orders) + 1)
            vector[place] = 0.9 - rank / 100
            vector[-1] = math.sqrt(1 - vector[place] ** 2)
            rows.append((query, {"m": "man", "w": "woman", "?": UNKNOWN}[letter]))
            vectors.append(vector)
    table = pd.DataFrame(rows, columns=["job", "gender"]).set_axis([f"image {i}" for i in range(len(rows))])
    levels = {"gender": (*LEVELS["gender"], *([UNKNOWN] if UNKNOWN in set(table["gender"]) else []))}
    dataset = Dataset("made up", [b""] * len(rows), table, levels, "1" * 64, "made by the test", "none")
    texts = {f"the {query}": np.eye(len(orders) + 1)[place] for place, query in enumerate(orders)}
    return dataset, np.array(vectors), texts


def plan_of(orders, *ks, **changed):
    queries = {query: (f"the {query}",) for query in orders}
    return replace(RankingPlan("Who is found first?", queries, ("gender",), "test v1", ks, gallery="job"), **changed)


def ranked(orders, *ks, settings=SMALL, **changed):
    dataset, vectors, texts = galleries(orders)
    return analysed(ranking, [plan_of(orders, *ks, **changed)], dataset, vectors, texts, settings)


def planned_finding(orders, k, settings=SMALL):
    """Return the finding of the planned question."""
    dataset, vectors, texts = galleries(orders)
    asked = plan_of(orders, k).planned(k, "search")
    answers = with_sets(asked, predict(asked, FakeEncoder().record, vectors, texts, dataset.attributes), ())
    return decide_verdicts(findings(asked, answers, dataset.levels, settings), settings, limited=False)[0][0]


def value(metrics, name):
    return next(metric.value for metric in metrics if metric.name == name)


# ---- the paper's metrics -------------------------------------------------------------------------------------------------------------


def by_the_paper(order, k):
    """Bias@k, MaxSkew@k and NDKL of one gallery, from the paper's definitions, in plain loops (Hall et al. 2023, section 4)."""
    everyone = Counter(order)
    first = Counter(order[:k])
    bias = (first["m"] - first["w"]) / (first["m"] + first["w"])
    skews = []
    for group, images in everyone.items():
        share = first[group] / k if first[group] else 1 / k
        skews.append(math.log(share) - math.log(images / len(order)))
    total = weights = 0.0
    for end in range(1, len(order) + 1):
        prefix, divergence = Counter(order[:end]), 0.0
        for group, n in prefix.items():
            divergence += n / end * (math.log(n / end) - math.log(everyone[group] / len(order)))
        total += divergence / math.log2(end + 1)
        weights += 1 / math.log2(end + 1)
    return bias, max(skews), total / weights


def test_bias_and_skew_of_two_occupations_by_hand():
    """Galleries of 10 men and 10 women. Doctor: 4 of the first 5 are men, 7 of the first 10; nurse: 0 of 5, and 5 of 10."""
    orders = {"doctor": "mmwmm" + "mmwmw" + "m" * 2 + "w" * 5 + "mww", "nurse": "w" * 5 + "m" * 5 + "mw" * 5}
    assert [Counter(order) for order in orders.values()] == [Counter(m=10, w=10)] * 2
    five, ten = ranked(orders, 5, 10)
    assert [query.counts for query in five.queries] == [(4, 1), (0, 5)]
    assert [value(query.metrics, "Bias") for query in five.queries] == [0.6, -1.0]
    assert [round(value(query.metrics, "MaxSkew"), 4) for query in five.queries] == [0.47, 0.6931]  # ln(.8 / .5), ln(1 / .5)
    assert [query.counts for query in ten.queries] == [(7, 3), (5, 5)]
    bias = next(metric for metric in five.means if metric.name == "Bias")
    assert (round(bias.value, 12), round(bias.sd, 4)) == (-0.2, 1.1314)  # 1.6 / sqrt(2)
    assert five.queries[1].group == "woman"
    assert (five.gallery, five.sizes, five.queries[0].sizes) == ("job", (20, 20), (10, 10))


@pytest.mark.slow_except("2")
@pytest.mark.parametrize("seed", range(3))
def test_every_metric_is_that_of_plain_loops_over_the_definitions(seed):
    """23 galleries of random orders and sizes, as after some images are gone."""
    rng = np.random.default_rng(seed)
    orders = {f"job {i}": "".join(rng.permutation(list("m" * rng.integers(4, 11) + "w" * rng.integers(4, 11)))) for i in range(23)}
    for k, found in zip((5, 7), ranked(orders, 5, 7), strict=True):
        expected = np.array([by_the_paper(order, k) for order in orders.values()])
        for column, name in enumerate(("Bias", "MaxSkew", "NDKL")):
            assert [value(query.metrics, name) for query in found.queries] == pytest.approx(expected[:, column])
            mean = next(metric for metric in found.means if metric.name == name)
            assert (mean.value, mean.sd) == pytest.approx((expected[:, column].mean(), expected[:, column].std(ddof=1)))


def test_in_even_galleries_maxskew_follows_from_bias():
    """Of two equal groups: max(N1, N2) / (k / 2) is 1 + |Bias|. So |Bias@10| and MaxSkew@10 of a gallery of 20 state the same."""
    rng = np.random.default_rng(7)
    orders = {f"job {i}": "".join(rng.permutation(list("mw" * 10))) for i in range(23)}
    for found in ranked(orders, 5, 10):
        for query in found.queries:
            assert value(query.metrics, "MaxSkew") == pytest.approx(math.log(1 + abs(value(query.metrics, "Bias"))))


def test_the_order_of_the_table_and_the_names_of_groups_change_only_the_sign_of_bias():
    orders = {"doctor": "mmmwwmwmwwmw", "nurse": "wwwmmmwmwmwm"}
    dataset, vectors, texts = galleries(orders)
    order = np.random.default_rng(3).permutation(len(vectors))
    shuffled = replace(dataset, attributes=dataset.attributes.iloc[order])
    before = ranked(orders, 4)
    assert analysed(ranking, [plan_of(orders, 4)], shuffled, vectors[order], texts, SMALL) == before
    other = replace(dataset, attributes=dataset.attributes.replace({"man": "woman", "woman": "man"}))
    [exchanged] = analysed(ranking, [plan_of(orders, 4)], other, vectors, texts, SMALL)
    for one, two in zip(before[0].queries, exchanged.queries, strict=True):
        assert one.counts == two.counts[::-1]
        assert value(one.metrics, "Bias") == -value(two.metrics, "Bias")
        assert all(value(one.metrics, name) == pytest.approx(value(two.metrics, name)) for name in ("MaxSkew", "NDKL", "Entropy"))


def test_a_planted_occupation_is_a_signal_and_random_galleries_seldom_are():
    rng = np.random.default_rng(5)
    random = {f"job {i}": "".join(rng.permutation(list("mw" * 10))) for i in range(22)}
    [found] = ranked({**random, "pilot": "m" * 10 + "w" * 10}, 10)
    assert [query.query for query in found.queries if query.verdict == "signal"] == ["pilot"]
    pilot = found.queries[-1]
    assert pilot.p == pytest.approx(1 / 1000)
    assert search_sentence(found, pilot).startswith("man, 50\u00a0% of the 20 images of its gallery, fill 100\u00a0% of the first 10")
    assert ranking_title(found) == "By gender: the first 10 of each gallery"


def test_galleries_that_cannot_be_ranked_are_named():
    orders = {"doctor": "mwmwmw", "nurse": "wwww", "judge": "mw", "cook": "mwm?ww"}
    [found] = ranked(orders, 2)
    assert [query.query for query in found.queries] == ["doctor", "cook"]
    assert found.not_ranked == (("nurse", 4), ("judge", 2))
    assert found.queries[1].sizes == (2, 3)  # without the image of an unknown group
    said = "Not ranked, because the gallery has at most 2 images or shows fewer than two of the groups: ‘nurse’ (n = 4), ‘judge’ (n = 2)."
    assert not_ranked_sentence(found).replace("\u00a0", " ") == said
    [none] = ranked({"nurse": "wwww", "judge": "mm"}, 2)
    assert sentence(none.reason) == "no query has a gallery of more than 2 images that shows two of the groups"


def test_ties_of_a_gallery_are_counted_and_said_to_be_ordered_by_name():
    orders = {"doctor": "mwmwmw"}
    dataset, vectors, texts = galleries(orders)
    vectors[1:5] = vectors[1]  # the first is alone, four tie for the second place, the last is alone
    [found] = analysed(ranking, [plan_of(orders, 2)], dataset, vectors, texts, SMALL)
    assert found.queries[0].tied == 3
    assert tied_sentence(found).endswith("tied images are in an order that depends on their names alone.")


def test_an_attribute_or_a_query_that_the_data_do_not_have_is_refused():
    orders = {"doctor": "mwmwmw"}
    dataset, _, _ = galleries(orders)
    for changed, said in (({"gallery": "jobs"}, "galleries by 'jobs'"), ({"queries": {"nurse": ("the nurse",)}}, "has no gallery")):
        with pytest.raises(UsageError, match=said):
            ranking.check([plan_of(orders, 2, **changed)], None, dataset, SMALL)


# ---- the planned question ------------------------------------------------------------------------------------------------------------


def even(rng, jobs=23, favoured=0):
    """Galleries of 10 men and 10 women in random order, of which `favoured` men are put first."""
    return {f"job {i}": "m" * favoured + "".join(rng.permutation(list("m" * (10 - favoured) + "w" * 10))) for i in range(jobs)}


@pytest.mark.slow_except("5-0.5")
@pytest.mark.parametrize(("k", "factor"), [(5, 0.5), (10, 1.0)])
def test_the_planned_difference_is_the_papers_mean_bias(k, factor):
    """In galleries of 10 and 10: (N_m - N_w) / 10 on average, which is Bias@5 times 5 / 10, and Bias@10 times 10 / 10."""
    orders = even(np.random.default_rng(2), favoured=2)
    bias = np.mean([by_the_paper(order, k)[0] for order in orders.values()])
    finding = planned_finding(orders, k)
    [men, _] = finding.contrasts
    assert men.first == ("man",)
    assert men.difference == pytest.approx(bias * factor)
    assert finding.gap.within.clusters == 23
    assert (finding.by_group[0].n, finding.by_group[0].events + finding.by_group[1].events) == (230, 23 * k)


def test_a_planned_ranking_finds_a_stereotyper_and_opposite_biases_cancel():
    rng = np.random.default_rng(4)
    assert planned_finding(even(rng, favoured=4), 5).verdict == "disparity"
    half = {job: order.translate(str.maketrans("mw", "wm")) if i % 2 else order for i, (job, order) in enumerate(even(rng, 22, 5).items())}
    finding = planned_finding(half, 5)
    assert (finding.verdict, round(finding.contrasts[0].difference, 12)) == ("inconclusive", 0.0)


def test_a_ranking_that_is_even_everywhere_is_equivalent():
    """3 men and 3 women of 12 are always among the first 6: no gallery differs."""
    assert planned_finding({f"job {i}": "mwmwmw" + "mw" * 3 for i in range(40)}, 6).verdict == "equivalent"


def test_groups_are_compared_inside_galleries_and_not_over_all_images():
    """Half of both groups in small galleries, a tenth in large ones, where women are many: over all images men lead by 11 points."""
    orders = {f"small {i}": "mmmwww" + "mmmwww" for i in range(30)} | {f"large {i}": "mwwwww" + "mwwwww" * 9 for i in range(30)}
    finding = planned_finding(orders, 6)
    men, women = (rate.value for rate in finding.by_group)
    assert (men, women) == (4 * 30 / (16 * 30), 8 * 30 / (56 * 30))
    assert finding.contrasts[0].difference == 0
    assert finding.verdict == "equivalent"
    assert finding.ratio_tolerance is None


@pytest.mark.slow
def test_planted_stereotypers_are_found_and_null_models_are_not():
    """20 seeds of 23 galleries of 20: men are ahead in each gallery by chance, or by one standard deviation of the scores."""
    found, alarms = 0, 0
    for seed in range(20):
        for shift in (0.0, 1.0):
            rng = np.random.default_rng([seed, int(shift)])
            orders = {}
            for i in range(23):
                scores = rng.normal(size=20) + shift * (np.arange(20) < 10)
                orders[f"job {i}"] = "".join(np.array(list("m" * 10 + "w" * 10))[np.argsort(-scores)])
            verdict = planned_finding(orders, 5, Settings(draws=999)).verdict
            found += bool(shift) and verdict == "disparity"
            alarms += not shift and verdict == "disparity"
    assert (found >= 17, alarms <= 4) == (True, True), f"found {found} of 20, false alarms {alarms} of 20"


def test_a_generative_model_is_not_asked_and_a_note_says_so(four_faces):
    search = plan_of({"man": ""}, 2, by=("race",), gallery=None).planned(2, "search")
    probe = gender_probe(four_faces)
    both = replace(probe, measurements=(*probe.measurements, search))
    result = audit(FakeAnswerer(), both, four_faces, Settings(draws=99, min_group_size=2)).result
    assert [measurement.name for measurement in result.measurements] == ["gender", "gender: order"]
    said = [sentence(note) for note in result.model.asked]
    assert "'search' was left out: it ranks images by embeddings, which a generative model does not have." in said
    with pytest.raises(UsageError, match="asks nothing of a generative model"):
        audit(FakeAnswerer(), replace(probe, measurements=(search,)), four_faces, Settings())
