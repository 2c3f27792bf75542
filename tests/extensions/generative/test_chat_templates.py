"""Chat templates: rendered as transformers renders them, byte for byte, and stopped where a stranger's template exceeds a limit."""

import json
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import transformers as hf
from transformers.utils.chat_template_utils import _compile_jinja_template, render_jinja_template

from audit.errors import DataError, UnsafeError
from audit.extensions.generative.chat_template import MARK, frames
from strictio.templates import run
from strictio.templates.sandbox import ChatEnvironment, respond
from tests.support.generative_models import CAUSAL
from tests.support.model_folders import refused
from tests.support.tiers import first

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "additional_special_tokens": ["<a>", "<é>"]}
CONTENT = "{% for c in messages[0]['content'] %}{{ '<image>' if c['type'] == 'image' else c['text'] }}{% endfor %}"
"""What every template needs: the image and the question, once."""
FORMS = {
    "blocks are trimmed": "  {% if true %}\n  x\n  {% endif %}\n" + CONTENT + "\n",
    "tokens": "{{ bos_token }}" + CONTENT + "{{ eos_token ~ additional_special_tokens[1] }}",
    "tojson": "{{ {'b': 'é<', 'a': [1, none]} | tojson }}{{ [1] | tojson(indent=2) }}{{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }}"
    + CONTENT,
    "generation": CONTENT + "{% generation %}\n x {% set y = 1 %}{{ y }}\n{% endgeneration %}{{ y is defined }}",
    "namespace": "{% set ns = namespace(self=1, n=0) %}{% for c in 'ab' %}{% set ns.n = ns.n + 2 %}{% endfor %}{{ ns.n * 3 }}" + CONTENT,
    "loop controls": "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% elif i > 3 %}{% break %}{% endif %}{{ i }}{% endfor %}"
    + CONTENT,
    "no thinking": CONTENT + "{% if add_generation_prompt and not enable_thinking and tools is none and documents is none %}me:{% endif %}",
    "macros and filters": "{% macro m(x) %}{{ x | upper | center(9) }}{% endmacro %}{{ m('q') }}{{ '%5.1f|%s' % (2.25, 'x') }}" + CONTENT,
    "arithmetic": "{{ 3 * 7 }} {{ 2 ** 10 }} {{ '-' * 40 }} {{ [0] * 2 }} {{ 7 % 4 }} {{ 1.5 ** 2 }} {{ 3 // 2 }}" + CONTENT,
    "constructors": "{{ dict(a=1) }}{{ dict.fromkeys('ab', 0) }}{{ cycler('x', 'y').next() }}{{ joiner(',')() }}" + CONTENT,
    "imports of jinja2": "{{ 'a b c' | wordwrap(2) }}{{ {'a': 1} | pprint }}{{ '<b>x</b>' | striptags }}{{ lipsum(0) }}" + CONTENT,
    "year": "{{ strftime_now('%Y %B %Z') }}" + CONTENT,
}


def processor_of(template: str) -> SimpleNamespace:
    tokenizer = SimpleNamespace(chat_template=None, special_tokens_map=TOKENS)
    return SimpleNamespace(chat_template=template, tokenizer=tokenizer, image_token="<image>")


@pytest.mark.slow_except("macros and filters")
@pytest.mark.parametrize("form", FORMS)
def test_a_template_is_rendered_as_transformers_renders_it(form):
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": MARK}]}]
    ((words,), _) = render_jinja_template([chat], chat_template=FORMS[form], add_generation_prompt=True, enable_thinking=False, **TOKENS)
    (frame,) = frames(processor_of(FORMS[form]), "here")
    assert frame.around(MARK) == words


@pytest.mark.slow_except("idefics3")
@pytest.mark.parametrize("name", CAUSAL)
def test_the_frame_of_a_model_is_what_its_processor_makes_of_its_template(folders, name):
    processor = hf.AutoProcessor.from_pretrained(folders(name))
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": MARK}]}]
    words = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False, enable_thinking=False)
    (frame,) = frames(processor, "here")
    assert frame.around(MARK) == words


def test_a_template_has_what_transformers_gives_it():
    theirs, ours = _compile_jinja_template("").environment, ChatEnvironment()
    for kind in ("filters", "globals", "tests"):
        assert set(getattr(ours, kind)) == set(getattr(theirs, kind))
    assert {tag for extension in ours.extensions.values() for tag in extension.tags} == {
        t for extension in theirs.extensions.values() for t in extension.tags
    }
    for name in ("trim_blocks", "lstrip_blocks", "autoescape", "keep_trailing_newline", "undefined", "sandboxed"):
        assert getattr(ours, name) == getattr(theirs, name)


# ---- strangers' templates -------------------------------------------------------------------------------------------------------------

LARGE, MEMORY, LENGTH = "larger numbers or texts", "more memory", "more than 20,000 characters"
LONG = "{% for i in range(99999) %}aaaaaaaaaa{% endfor %}"
ENDLESS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
BEYOND = {
    "{{ 9**9**9 }}": LARGE,
    "{{ 9**(9**9) }}": LARGE,
    "{% set ns = namespace(n=3) %}{% for i in range(60) %}{% set ns.n = ns.n * ns.n %}{% endfor %}": LARGE,
    "{{ 'a' * (10 ** 10) }}": LARGE,
    "{{ 999999999 * [0] }}": LARGE,
    "{{ '%9999999999d' % 1 }}": LARGE,
    "{{ '%(a)-999999d' % {'a': 1} }}": LARGE,
    "{{ '%.*f' % (999999999, 1.0) }}": LARGE,
    "{{ '%999999999d' | format(1) }}": LARGE,
    "{{ ['%999999999d'] | map('format', 1) | list }}": LARGE,
    "{{ '{:999999999d}'.format(1) }}": MEMORY,
    "{{ 'a' | center(999999999) }}": MEMORY,
    "{{ (1).to_bytes(999999999) }}": MEMORY,
    "{{ range(999999999) }}": MEMORY,
    "{% set ns = namespace(x='aa') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}": MEMORY,
    LONG: LENGTH,
    ENDLESS: "does not end",
    "{{ lipsum(n=10000000) }}": "does not end|more memory",
}


@pytest.mark.parametrize("text", [text for text in BEYOND if BEYOND[text] in (LARGE, LENGTH)])
def test_the_renderer_refuses_what_is_too_large_before_it_computes_it(text):
    assert respond(text + CONTENT, {"messages": [{"content": []}]}, 20_000) == {"refused": "size" if BEYOND[text] == LARGE else "length"}


@pytest.mark.slow_except("{{ 9**9**9 }}")
@pytest.mark.parametrize("text", first(["{{ 9**9**9 }}", "{{ 'a' | center(999999999) }}", LONG, ENDLESS], of=BEYOND))
def test_a_template_that_exceeds_a_limit_is_refused(text, monkeypatch):
    monkeypatch.setattr(run, "CPU_S", 1)
    with pytest.raises(UnsafeError, match=BEYOND[text]) as caught:
        frames(processor_of(text + CONTENT), "here")
    assert caught.value.exit_code == 4
    assert max(map(len, str(caught.value).splitlines())) < 200


NO_QUESTION = "cannot ask a question about an image"
LOST = {
    "{{ ''.__class__.__mro__[1].__subclasses__() }}": "is unsafe",
    "{{ cycler.__init__.__globals__.os.system('touch CANARY') }}": "is unsafe",
    "{{ namespace(__class__=1) }}": "SecurityError",
    "{{ messages.append(1) }}": "SecurityError",
    "{{ raise_exception('no ' ~ 'images') }}": "TemplateError: no images",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}": "RecursionError",
    "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}": "RecursionError",
    "{% broken": "TemplateSyntaxError",
    "{% for m in messages %}{{ m['content'][1]['text'] * 2 }}<image>{% endfor %}": "exactly once",
    "hello": "exactly once",
    "{% for m in messages %}{{ m['content'][1]['text'] }}{% endfor %}": "",  # the image is the folder's to miss
}


UNSAFE, TWICE, WITHOUT = list(LOST)[1], list(LOST)[8], list(LOST)[10]


@pytest.mark.parametrize("text", [text for text in LOST if LOST[text] not in ("", "exactly once")])
def test_the_renderer_says_how_a_template_that_reaches_out_failed(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert LOST[text] in respond(text, {"messages": []}, 20_000)["failed"]
    assert not (tmp_path / "CANARY").exists()


@pytest.mark.slow_except("{{ cycler.__init__.__globals__.os.system('touch CANARY') }}")
@pytest.mark.parametrize("text", first([UNSAFE, TWICE, WITHOUT], of=LOST))
def test_a_template_that_reaches_out_fails_or_loses_the_question_is_refused(folders, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path(shutil.copytree(folders("llava"), tmp_path / "copy"))
    (folder / "chat_template.jinja").write_text(text)
    error = refused(folder, DataError, NO_QUESTION if LOST[text] else None)
    assert not LOST[text] or (LOST[text] in str(error) and "chat_template.jinja" in str(error))
    assert not (tmp_path / "CANARY").exists()


@pytest.mark.parametrize("text", [5, ["a"], {"default": 5}])
def test_a_template_that_is_not_text_is_refused(text):
    with pytest.raises(DataError, match="not a text"):
        frames(processor_of(text), "here")


def test_a_process_that_does_not_end_by_itself_is_ended(monkeypatch):
    monkeypatch.setattr(run, "DEADLINE_S", 0.5)
    monkeypatch.setattr(run, "CPU_S", 60)
    began = time.monotonic()
    with pytest.raises(UnsafeError, match="does not end"):
        frames(processor_of(ENDLESS), "here")
    assert time.monotonic() - began < 10


ESCAPED = """
import json, os, runpy, socket, sys
sys.path += sys.argv[2:]
sandbox = runpy.run_path(sys.argv[1])
sandbox["limit"](json.load(sys.stdin.buffer)["cpu_s"])
def error(attempt):
    try:
        attempt()
    except BaseException as error:
        return type(error).__name__
errors = [error(lambda: open("/etc/hostname")), error(socket.socket), error(lambda: bytearray(1 << 30))]
written = os.write(1, bytes(2 << 20))
os.ftruncate(1, 0), os.lseek(1, 0, 0)
print(json.dumps([sorted(set(os.environ) - {"LC_CTYPE"}), errors, written]))
"""
"""Stands for a template that left the sandbox: Python in place of the renderer, within its limits."""


def test_code_in_the_process_of_a_template_has_no_secret_file_socket_or_memory(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    monkeypatch.setattr(run, "_BOOTSTRAP", ESCAPED)
    code, reply = run._run(json.dumps({"cpu_s": 2}).encode())
    assert code == 0
    names = sorted({"TZ", "LD_LIBRARY_PATH"} & os.environ.keys())
    assert json.loads(reply) == [names, ["OSError", "OSError", "MemoryError"], 1 << 20]


def test_an_outcome_names_what_a_template_raised():
    assert respond("{{ 1 / 0 }}", {}, 9) == {"failed": "ZeroDivisionError: division by zero"}
    assert respond("{{ 'a' * 10 }}", {}, 9) == {"refused": "length"}
    assert respond("{{ 'a' * 9 }}", {}, 9) == {"words": "a" * 9}


def test_a_system_without_a_limit_of_memory_is_named_once(monkeypatch, caplog):
    """The sandbox says so of itself; here its reply is the one of such a system."""
    run._say_unlimited.cache_clear()
    plain, answer = "{{ messages[0].content }}", run._run

    def unlimited(request):
        code, reply = answer(request)
        return code, json.dumps(json.loads(reply) | {"unlimited": "memory"}).encode()

    frames(processor_of(plain), "a folder")
    assert "without a limit" not in caplog.text
    monkeypatch.setattr(run, "_run", unlimited)
    for _ in range(2):
        frames(processor_of(plain), "a folder")
    assert caplog.text.count("chat templates are rendered without a limit of memory") == 1
    run._say_unlimited.cache_clear()
