"""Code that the commands share: parsing arguments, requests, exit codes and output.

`options` (fields with checks and flags), `parser` (made from them), `exit_codes`, `terminal`.
"""
