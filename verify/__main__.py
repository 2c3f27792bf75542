"""``python -m verify DIR`` is ``vlm-audit verify DIR``."""

import sys

from verify.command import main

if __name__ == "__main__":
    sys.exit(main())
