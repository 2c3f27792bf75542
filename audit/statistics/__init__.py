"""From predictions to findings: pure functions of counts.

::

    counts           one row for each (group, true answer, answer) that occurs, with how often
    metrics          the registry of rates; fairlearn's MetricFrame on the count table is the definition of record
    intervals        Wilson, Newcombe, Agresti-Min
    equivalence      how far apart two groups may be
    clearest         which two groups differ most clearly, beside what chance moves them by
    null             what chance alone gives: permutation of the labels, chi-square, two proportions, McNemar, sign-flip
    multiplicity     Holm, Benjamini-Hochberg
    power            smallest difference that this many images would find
    verdict          disparity, equivalent, inconclusive, not estimable: the ordered rules and the sentence
    findings         one claim, answered
    paired           counterfactual pairs
    specification    the same claim under every wording
    joint            two models on the same images: events before x after, by cluster where images belong together
    change           changes of rates, of differences between groups and of the gap; change_verdict: what may be said of them
    trajectory       a gap over the checkpoints of a run
"""
