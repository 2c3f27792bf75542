"""``--log-to``. In: a finished audit. Out: its settings, gaps, tables and page in Weights & Biases or MLflow."""

from audit.extension import Extension, Option, Output

EXTENSION = Extension(
    "trackers",
    outputs=(
        Output(
            Option(
                "log_to",
                "also log gaps, tables and the page to Weights & Biases or MLflow, whose package must be installed; no "
                "predictions of single images; repeatable",
                metavar="TRACKER",
                choices=("wandb", "mlflow"),
                several=True,
            ),
            check="audit.extensions.trackers.log:check",
            make="audit.extensions.trackers.log:log_audit",
        ),
    ),
)
