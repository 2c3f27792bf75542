"""What follows from verified findings by the audit's own rules: the second step of ``vlm-audit verify``.

`step` is its entry. `effects`, `lock` and `gates` replace what the results say by what the rules make of the rest of them, `stated`
and `pages` compare files. Nothing here is independent of the audit: it is its own code, applied once more.
"""
