"""Rows H3, H5, H6 and H8: chat templates and servers that never end, take all memory, or give the key back."""

import shutil
import time

import pytest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ 9**9**9 }}", "larger numbers or texts than any chat"),
        ("{{ 7 % 10 ** (10 ** 10) }}", "larger numbers or texts than any chat"),
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "does not end"),
        ("{{ 'a' | center(999999999) }}", "more memory than any chat"),
    ],
)
def test_h3_a_chat_template_without_end_is_refused_within_seconds(bench, inputs, llava_folder, text, said):
    folder = shutil.copytree(llava_folder, bench.folder / "model")
    (folder / "chat_template.jinja").write_text(text)
    began = time.process_time()
    bench.run("--model", folder, "--probe", inputs / "short.py", "--data", inputs / "faces", code=4, said=[said, "fix: "])
    assert time.process_time() - began < 30  # of this process: loading; the template computed in its own
