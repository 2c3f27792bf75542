"""``vlm-audit COMMAND``, and ``python -m audit``: lists the commands, and passes the arguments on to one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from audit.errors import nearest
from audit.extension import commands, find
from audit.version import __version__
from strictio.console import prepare_streams, put

COMMANDS = {
    "run": ("audit.run", "main", "audit models, or external predictions, with probes"),
    "compare": ("audit.compare", "main", "what changed between models on the same images"),
    "render": ("reports.render", "main", "re-render the report of a finished audit or comparison"),
    "verify": ("audit.commands.verify", "main", "check the files of a finished audit, and recompute its numbers from the answers"),
    "plan": ("audit.commands.plan", "main", "write down what an audit will ask, before anything is embedded"),
    "probes": ("audit.commands.catalogue", "main", "list the probes and their questions, or show one in detail"),
    "new-probe": ("audit.commands.catalogue", "new_main", "write a commented template of a custom probe, ready to run"),
    "pictures": ("reports.figures", "main", "write the figures of a finished audit as files"),
    "schema": ("audit.commands.schema", "main", "the JSON Schema of a file that this version writes"),
    "train": ("contrastive.train", "main", "contrastive training of a CLIP-style model on captioned images"),
    "export": ("contrastive.export", "main", "a trained model for transformers, open_clip or as safetensors"),
}
HEADINGS = {"run": "audits", "plan": "before and after an audit", "train": "training"}
"""The first command of each group in the help, and the group's heading; extensions follow."""


def all_commands() -> dict[str, tuple[str, str, str]]:
    """Return the core's commands and those of extensions: name -> module, function, and one line about it."""
    every = dict(COMMANDS)
    for command in commands():
        module, _, function = command.main.partition(":")
        every.setdefault(command.name, (module, function, command.summary))  # no extension replaces a command of the core
    return every


def help_text() -> str:
    """Return what ``vlm-audit --help`` prints."""
    every = all_commands()
    headings = HEADINGS | dict.fromkeys([name for name in every if name not in COMMANDS][:1], "extensions")
    lines = ["usage: vlm-audit COMMAND …    (vlm-audit COMMAND --help says more)"]
    for name, (_, _, what) in every.items():
        lines += ["", f"{headings[name]}:"] if name in headings else []
        lines.append(f"  {name:<9} {what}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names with the remaining arguments."""
    prepare_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("--help", "-h"):
        print(help_text())
        for line in find().left_out:
            put(line, sys.stderr)
        return 0 if words else 2
    if words[0] == "--version":
        print(f"vlm-audit {__version__}")
        return 0
    known = COMMANDS if words[0] in COMMANDS else all_commands()
    if words[0] not in known:
        left_out = "".join(f"\n{line}" for line in find().left_out)
        put(f"error[E2] unknown command {words[0]!r}\nfix: {nearest(words[0], known)}{left_out}", sys.stderr)
        return 2
    module, function, _ = known[words[0]]
    code: int = getattr(import_module(module), function)(words[1:])
    return code


if __name__ == "__main__":
    sys.exit(main())
