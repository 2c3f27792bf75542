"""From a gap to a changed model: fits a linear map on one half of the images and folds it into the weights, or trains the model further on
that half, and judges the result on the other half.

::

    halves    which images a map is fitted on, and which it is shown on
    methods   the maps, each fitted on one half, and the random maps they are compared with
    fold      a map in the weights of a model, and the check that the written model does what the map does
    finetune  further training by the trainer's own command, and its control
    verdict   better, no change shown or worse, from the numbers of the shown half
    ledger    the plan of every run, recorded before the shown half is looked at
"""
