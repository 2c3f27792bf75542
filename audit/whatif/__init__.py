"""The same measurement on changed embeddings or labels: answers to "what would this audit say if ...", never a fix that is done.

::

    asked         one measurement with the embeddings that it rests on; the two halves of the images
    labels        another label set (a neutral label, prompts over other attributes), or no answer where the model is unsure
    projection    embeddings without a direction, or without some coordinates
    thresholds    a threshold for each group (fairlearn)
    methods       every method at every setting that is tried
    counted       the images of each group before and after, by cluster where they come in clusters
    compare       what a change does to a gap on the same images, and to accuracy
    frontier      gap against accuracy, over everything that was tried
    explore       a plan from start to end; reranking: a search, with another order of the images that it finds

Whatever is chosen is chosen on one half of the images and shown on the other. The verdict of an audit belongs to the unmodified model.
"""
