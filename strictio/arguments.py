"""An argument parser whose errors look like all other errors: what is wrong, and the way out."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from strictio.console import put


class ArgumentParser(argparse.ArgumentParser):
    """Like argparse's, but for a mistake it prints two lines instead of the usage."""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2."""
        self.refuse(message, f"{self.prog} --help")

    def refuse(self, message: str, fix: str) -> NoReturn:
        """Print a mistake and the way out, and exit with code 2."""
        put(f"error[E2] {message}\nfix: {fix}", sys.stderr)
        self.exit(2)
