"""What an audit of predictions imports: nothing that takes seconds and that it does not use."""

import subprocess
import sys

HEAVY = ("torch", "transformers", "datasets", "matplotlib", "scipy.signal", "reports.render", "jinja2")
SCRIPT = f"""
import sys
import pandas as pd
import audit
rows = pd.DataFrame({{"race": ["A", "B"] * 60, "y_true": ["x", "y", "y"] * 40, "y_pred": ["x", "y", "x", "y"] * 30}})
found = audit.audit(predictions=rows, min_group_size=5, draws=99)
before = sorted(set({HEAVY!r}) & set(sys.modules))
assert found.to_html().startswith("<!doctype html>")
print(before, "reports.render" in sys.modules)
"""


def test_an_audit_without_a_page_imports_nothing_heavy_and_draws_one_when_asked():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout == "[] True\n"
