"""From predictions to findings and verdicts: pure functions of counts that take predictions and levels and return records.

::

    counts            one row per (group, true answer, answer) that occurs, with its number of images
    metrics           the registry of rates; fairlearn's MetricFrame computes them on the count table, and findings compares the two
    intervals         Wilson, Newcombe, weighted sums
    equivalence       bounds for the difference of two groups
    most_significant  the pair of groups that differs most in standard errors
    null              what is expected by chance: permutation of the labels, chi-square, two proportions, McNemar, sign-flip
    multiplicity      Holm, Benjamini-Hochberg
    power             smallest difference that would be detected with this many images
    units             sampling units: images, or clusters of images
    verdict           the rules of a verdict
    findings          the result of one claim
    paired            counterfactual pairs; two models on the same images
"""
