"""Every class of `results.json` and `comparison.json`: facts in, strict frozen records out, and JSON of them; no sentence.

`results` and `comparison` are the two files (`to_json`, `from_json`); `schema_1` brings old files up to date.
"""
