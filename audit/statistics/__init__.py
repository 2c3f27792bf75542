"""From predictions to findings and verdicts: pure functions of counts. Predictions and levels in, records out.

::

    counts            one row for each (group, true answer, answer) that occurs, with how often
    metrics           the registry of rates; fairlearn's MetricFrame on the count table is the definition of record
    intervals         Wilson, Newcombe, Agresti-Min, weighted sums
    equivalence       how far apart two groups may be
    most_significant  the pair of groups that differs most in standard errors
    null              what is expected by chance: permutation of the labels, chi-square, two proportions, McNemar, sign-flip
    multiplicity      Holm, Benjamini-Hochberg
    power             smallest difference that this many images would find
    units             sampling units: images, or clusters of images
    verdict           the rules of a verdict, each once
    findings          one claim, answered
    paired            counterfactual pairs; two models on the same images
    evidence          what stands with a verdict, one kind a file
"""
