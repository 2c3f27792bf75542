"""A second implementation of what an audit reports: it recomputes `results.json` from `predictions.parquet`, and compares.

It imports none of the other packages, only NumPy, SciPy, PyArrow and the standard library, and was written from ``docs/method.md``.

Computed from the rows of the answers: every count, rate, interval, gap, bound, p, adjusted p and verdict, and what leaves a verdict open
(whether the answers depend on the images, missing true answers, groups that are not compared); of a comparison the same of every change.
A number agrees if it is equal up to 1e-9. For independent images that includes p, since the recorded stream of random numbers is repeated.
Of pairs that differ by rounding only, the recorded one counts.

Taken as recorded: what was asked (measurement, metric, outcome, attributes, tolerance, which questions are planned), the settings, and,
for the adjustment of p, the p of questions about scores and trends and the number of locked questions that are not planned.

Not checked here: gates, questions about scores and trends, deviations from a plan lock, notes, pages and tables. They follow from the
findings by rules of the audit, which ``vlm-audit verify`` applies in a second step. Evidence on which no verdict depends is counted as not
recomputed. Nothing here can show that the answers are those of the model.

To be read in this order. What is done: `command`, `ledger` (what agrees), `source` and `folder` (files and their hashes). For independent
images: `answers` (rows, and which of them a metric counts), `formulas`, `images` (groups, and the test that none differ), `finding` (one
question), `looks` (whether answers depend on images), `verdicts`, `audit` (a file of results). The same for images that belong together
or have weights: `clusters`, `within`. For the same images under two conditions: `paired`, `comparison`.
"""
