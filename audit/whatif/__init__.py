"""The same measurement on changed embeddings or labels: answers to "what would this audit say if ...", not a fix.

::

    asked         one measurement with the embeddings behind it; the two halves of the images
    labels        another label set (a neutral label, prompts over other attributes), or no answer if the model is unsure
    projection    embeddings without a direction, or without some coordinates
    thresholds    a threshold for each group (fairlearn)
    methods       every method with every setting that is tried
    counted       the images of each group before and after, by cluster if they come in clusters
    compare       the effect of a change on a gap on the same images, and on accuracy
    frontier      gap against accuracy, over everything that was tried
    explore       one plan from start to end; reranking: a search whose results are re-ranked

All choices are made on one half of the images and evaluated on the other. The verdict of an audit belongs to the unmodified model.
"""
