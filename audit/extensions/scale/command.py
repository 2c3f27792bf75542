"""The command ``vlm-audit embed --model ckpt.pt --probe fairface``: fills the cache for an audit without running it.

``vlm-audit run`` with the same arguments reuses the embeddings, regardless of the machine, part or engine that computed them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from audit.cli.exit_codes import COMPLETE, ended
from audit.cli.parser import Parser, words_of
from audit.extensions.scale.options import JUDGING, EmbedRequest
from audit.options.command_line import given_options, options_parser
from strictio.console import prepare_streams

PROGRAM = "vlm-audit embed"
DESCRIPTION = """Embeds what an audit needs, without running it: on this machine, for a part of the images, or on a Ray cluster.

vlm-audit run with the same arguments then reuses the cached embeddings."""


def parser() -> Parser:
    """Return the parser of the command."""
    return options_parser((f"{PROGRAM} --model SPEC --probe NAME [options]",), DESCRIPTION, EmbedRequest, leave_out=JUDGING)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    prepare_streams()
    words = words_of(argv)
    arguments = parser().parse_args(words)
    return ended(lambda: run(arguments), debug=arguments.debug, log_format=arguments.log_format)


def run(arguments: argparse.Namespace) -> int:
    """Fill the cache, and print its contents."""
    from audit.cli import terminal
    from audit.extensions.scale.run import fill_cache
    from audit.extensions.scale.terminal import filled_lines
    from audit.models.model_args import by_model
    from audit.stages import EMBEDDING

    options = given_options(arguments, EmbedRequest)
    if "model_args" in options:
        options["model_args"] = by_model(options["model_args"], len(options.get("model", ())))
    request = EmbedRequest(**options)
    with terminal.working(EMBEDDING, quiet=arguments.quiet, log_format=arguments.log_format) as stages:
        done = fill_cache(request.model_copy(update={"stages": stages}))
    print(filled_lines(done), flush=True)
    return COMPLETE


if __name__ == "__main__":
    sys.exit(main())
