"""Probes of how well a model does a task, and for whom: it recognises classes, objects and digits, with or without examples and changes."""

from audit.extension import DeclaredProbe, Extension

EXTENSION = Extension(
    "capability",
    probes=tuple(
        DeclaredProbe(name, question, f"audit.extensions.capability.{name}", "capability")
        for name, question in (
            ("classes", "Are pictures of every group recognised equally often?"),
            ("dollarstreet", "Are things of poor homes recognised as often as things of rich homes?"),
            ("fewshot", "What do a few drawings of each role teach, and for whom?"),
            ("geode", "Are everyday objects recognised as well in every region of the world?"),
            ("limits", "What can a model not do: read digits, count, tell the two senses of a word apart?"),
            ("overlap", "How many test pictures has training seen, and are they recognised more often?"),
            ("robustness", "Whose pictures are no longer recognised when they are corrupted, or carry a wrong word?"),
            ("zeroshot", "Are pictures of every group recognised equally often, without training on them?"),
        )
    ),
)
