"""What the commands share: words in, requests, exit codes and lines out.

`options` (fields with checks and flags), `parser` (made from them), `exit_codes`, `terminal`.
"""
