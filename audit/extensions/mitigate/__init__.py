"""Mitigating a gap. In: a model and a probe. Out: a changed copy of the model, whether a gap became smaller, mitigation.json and a page.

Fits a linear map on one half of the images and folds it into the weights, or trains the model further on that half, and judges the result
on the other half.

::

    run       from a request to a changed model on disk
    halves    which images a map is fitted on, and which it is shown on
    methods   the maps, each fitted on one half, and the random maps they are compared with
    fold      a map in the weights of a model, and the check that the written model does what the map does
    finetune  further training by the trainer's own command, and its control
    models/   models that can be written again, and their output layers
    verdict   better, no change shown or worse, from the numbers of the shown half
    ledger    the plan of every run, recorded before the shown half is looked at
    page/     the page, drawn from mitigation.json
"""

from audit.extension import Command, Extension, FactsFile

EXTENSION = Extension(
    "mitigate",
    commands=(
        Command("mitigate", "a changed copy of a model, and whether a gap became smaller", "audit.extensions.mitigate.command:main"),
    ),
    files=(
        FactsFile(
            "mitigation.json",
            page="report.html",
            written_by="a mitigation",
            fix="run vlm-audit mitigate again",
            record="audit.extensions.mitigate.record:FILE",
            render="audit.extensions.mitigate.page:render_mitigation",
        ),
    ),
    functions={"mitigate": "audit.extensions.mitigate.run:mitigate"},
    templates="audit.extensions.mitigate.page",
)
