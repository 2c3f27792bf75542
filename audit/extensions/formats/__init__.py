"""A finished audit for others. Out: another program's format (`vlm-audit convert`), or one archive to be checked (`vlm-audit pack`)."""

from audit.extension import Command, Export, Extension

_MODULE = "audit.extensions.formats.exports"

EXTENSION = Extension(
    "formats",
    commands=(
        Command("pack", "one archive of a finished audit, for others to check", "audit.extensions.formats.pack:main"),
        Command(
            "convert",
            "the results of an audit in a format of another program: CycloneDX, in-toto, GitHub and others",
            "audit.extensions.formats.command:main",
        ),
    ),
    exports=(
        Export(
            "cyclonedx",
            "a bill of materials whose model cards hold rates, gaps and verdicts (CycloneDX 1.6)",
            f"{_MODULE}:bom",
            packed="bom.json",
        ),
        Export("cyclonedx-1.7", "the same in version 1.7", f"{_MODULE}:newer_bom"),
        Export("in-toto", "the gates as a statement of test results, to be signed by a tool of yours", f"{_MODULE}:statement_of_gates"),
        Export("eval-results", "an entry for .eval_results in a model's repository (Hugging Face)", f"{_MODULE}:hub_entry"),
        Export(
            "every-eval",
            "a record of one model for Every Eval Ever, groups in the parameters of its metrics (schema 0.3.0)",
            f"{_MODULE}:every_eval_record",
        ),
        Export("github", "annotations of the gates for a step of GitHub Actions", f"{_MODULE}:gate_lines"),
        Export(
            "profile.csv",
            "a bias profile: a row for each question and group, with what people state about it (--statements)",
            f"{_MODULE}:profile_table",
            packed="profile.csv",
            check="audit.extensions.formats.profile:profile_problems",
        ),
        Export("profile.html", "the same as a page", f"{_MODULE}:profile_as_page", packed="profile.html"),
    ),
    templates="audit.extensions.formats",
)
