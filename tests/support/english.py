"""Phrases that a native-speaking engineer would not say, in sources, templates and docs.

``python -m tests.support.english [PATH...]`` prints place, phrase and a better form, then a count; it exits with 1 if it finds any.
It reads docstrings, comments and messages of Python, comments of TOML, templates, and Markdown without code. It finds the patterns that
recurred in this tree; it cannot judge a sentence. Names of variables are not its business.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs",
    "notebooks",
    "contrastive",
    "probes",
    "strictio",
    "audit",
    "reports",
    "benchmarks",
)
"""What is searched by default."""
PROMPTS = ROOT / "probes"
"""Where messages are left out: prompts are among them, and prompts decide numbers."""
COUNTED = "row|line|image|probe|script|audit|module|folder|question|cell|item|run|step|batch|second|minute|group|side|process|token|letter"
THINGS = (
    "one|files?|rows?|tests?|lines?|labels|tokens|answers?|modules?|claims?|keys?|folders?|columns?|images?|seconds?|bytes|requests?"
    "|questions?|object|sentences?|numbers?|prompts?|audits?|ms|time"
)


@dataclass(frozen=True)
class Pattern:
    """A phrase, a better form, and the surroundings in which the phrase is right."""

    phrase: str
    better: str
    unless: str = r"(?!)"
    """Matched against the line of the phrase; by default never."""

    def matches(self, text: str) -> Iterator[re.Match[str]]:
        """Where the phrase occurs, over line breaks too, and is not right."""
        for match in re.finditer(self.phrase.replace(" ", r"\s+"), text):
            start, end = text.rfind("\n", 0, match.start()) + 1, text.find("\n", match.end())
            if not re.search(self.unless, text[start : end if end >= 0 else None]):
                yield match


PATTERNS = (
    Pattern(rf"\b(?:{THINGS}) an? (?:{COUNTED})\b", "per", r"(?:model|that|it|to|not|[Ww]hich) (?:labels|numbers|files) an?"),
    Pattern(r"\bthat (?:is|are) there\b", "name it: the image, the file that exists"),
    Pattern(r"\b[Ww]hat (?:was|is|were) (?:asked|told|said|put to|being asked)\b", "the question, the prompts, the message"),
    Pattern(r"\b[Ww]hat stands\b", "the current value, the text"),
    Pattern(r"\bstands? (?:beside|there|here|among|between|next to|behind|under|once|at|(?:in|on) (?:the|a|an|its|this|no))\b", "is"),
    Pattern(r"\b[Ww]hatever (?:the|its|their|it|they)\b", "regardless of the …"),
    Pattern(r"\bnot shown to (?!be\b|the (?:user|reader)|readers|users|anyone)", "We found no evidence that …"),
    Pattern(r"\bmust not differ\b.{0,40}\beither\b", "a ratio above … also counts"),
    Pattern(r"\b[Ff]or want of\b", "without, no …"),
    Pattern(r"\banew\b", "again, re-…"),
    Pattern(r"\b[Ww]hoever\b", "anyone who, the author"),
    Pattern(r"\b(?:[Ss]omebody|[Nn]obody)\b", "someone, no one, or the passive"),
    Pattern(r"\bknown holes\b", "known vulnerabilities"),
    Pattern(r"\bsound (?:file|image|table|model|one)s?\b", "valid files"),
    Pattern(r"\bspoil(?:s|t|ed|ing)?\b", "corrupt, invalidate"),
    Pattern(r"\bmend(?:s|ed|ing)?\b", "fix, repair"),
    Pattern(r"\b[\d,]+ letters\b|\bletters on\b|\bletters long\b", "characters"),
    Pattern(r"\bblanks\b", "spaces"),
    Pattern(r"\bwords become\b|\bwords of the command\b", "arguments"),
    Pattern(r"\b(?:[Dd]raw|[Dd]rawn|[Dd]raws|[Dd]rew) (?:the report |the page |it |them )?again\b", "re-render"),
    Pattern(r"\banswers? every claim\b", "test every claim"),
    Pattern(r"\b[Tt]ells? (?:nobody|somebody)\b|\basks? for money\b|\bforgets to\b", "no-op callback; insufficient quota"),
    Pattern(r"^#+ (?:The house|Past one machine|Beside other tools|What now\?)$", "Repository layout, Scaling, Next steps"),
    Pattern(r"\bby the rule of\b", "passes the … test"),
    Pattern(r"\b[Cc]hance (?:alone )?(?:explains|gives|may explain)\b", "unlikely under chance alone; expected by chance"),
    Pattern(r"\bcorrected for all 2\b", "corrected for both"),
    Pattern(r"\b(?:made|claims?|stated|found) by (?:a )?rule\b|\bstated rule\b", "generated automatically; default claims"),
    Pattern(r"\b[Tt]wo intervals\b.{0,20}\bcompare\b", "Do not compare models by overlapping intervals"),
    Pattern(r"\b[Ff]olded(?: away|:)", "collapsed"),
    Pattern(r"\bturns? the order around\b|\b[Pp]ress the head\b", "click the column heading; click again to reverse"),
    Pattern(r"\bwhose fault it is\b", "identifies the cause"),
    Pattern(r"\b(?:made|answered) elsewhere\b", "external predictions"),
    Pattern(r"\b[Cc]lear(?:est|ness)\b", "most significant pair"),
    Pattern(r"\bfarthest\b", "largest difference, equivalence bound"),
    Pattern(r"\bcases? of its own\b|\bone image for one case\b", "sampling unit; treats images as independent"),
    Pattern(r"\bput together\b", "assembled"),
    Pattern(r"\b[Mm]isfits?\b|\bstrangers?\b|\bincoherent\b", "unexpected values; untrusted input; inconsistent"),
    Pattern(r"\bowns? up\b", "report the caveat"),
    Pattern(r"\btaken up again\b|\bcarry through\b", "resume, run to completion"),
    Pattern(r"\b[Tt]wins?\b", "untrained control"),
    Pattern(r"\bquestions that count\b|\boutside the verdict\b", "planned questions; exploratory"),
    Pattern(r"\bnothing to divide by\b", "no images of this kind"),
    Pattern(r"\bwordings?\b", "prompt, prompt template, text"),
    Pattern(r"\bhas no meaning with\b|\bis not a share\b|\badds to a probe\b", "cannot be used with; invalid fraction; requires --probe"),
    Pattern(
        r"\b(?:is|are|was|were) no(?: \w+)? (?:in|of|for|to)\b|\b(?:is|are|was|were) none\b|\b(?:is|are) no\b[.,;:]", "is not",
        r"[Tt]here (?:is|are|was|were) (?:no|none)|[Ww]here (?:is|are) no",
    ),
    Pattern(r"\b[Tt]here (?:is|are) none\b|\bwhere (?:is|are) no\b", "not found, unknown, if there is no …"),
    Pattern(r"(?:^|[.;:] )Of (?:a|an|two|three|several|more|any|all|other)\b", "For …, With …"),
    Pattern(r"\b(?:is|are|be) gone without\b|\bwithout end\b", "skipped; endless"),
    Pattern(r"\bby lot\b", "at random"),
    Pattern(r"\b(?:is|are|was|were) told (?:apart|from|by)\b|\btells? apart\b", "distinguish"),
    Pattern(r"\b(?:as|like) is\b(?! |\.)|\b(?:so|then) (?:is|are) (?:those|that) of\b", "as … does; as for …"),
    Pattern(r"\bto the (?:last )?bit\b", "bit-identical, exactly"),
)  # fmt: skip


@dataclass(frozen=True)
class Passage:
    """Text of a file, with the line on which it begins."""

    line: int
    text: str
    message: bool = False
    """Whether it is a string of a program, not a docstring, a comment or a page."""


@dataclass(frozen=True)
class Finding:
    path: Path
    line: int
    phrase: str
    better: str

    def __str__(self) -> str:
        path = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        return f"{path}:{self.line}: {' '.join(self.phrase.split())!r}: {self.better}"


def comments(source: str) -> Iterator[Passage]:
    """Comments of Python; those of neighbouring lines are one passage, so that a phrase may go over the end of a line."""
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type == tokenize.COMMENT]
    for _, run in groupby(enumerate(tokens), key=lambda pair: pair[1].start[0] - pair[0]):
        block = [token for _, token in run]
        yield Passage(block[0].start[0], "\n".join(token.string.lstrip("# ") for token in block))


def strings(source: str) -> Iterator[Passage]:
    """Docstrings, texts that explain an assignment, and strings of at least two words."""
    tree = ast.parse(source)
    documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            prose = re.sub(r"^\s*(?:>>>|\.\.\.) .*$|``.*?``|`[^`\n]+`", "", node.value, flags=re.MULTILINE)
            yield Passage(node.lineno, prose, message=id(node) not in documented)


def markdown(source: str) -> Iterator[Passage]:
    """The page without code (but with the comments in it), targets of links and quotations: the program's own words stay as they are."""
    kept, fenced = [], False
    for line in source.splitlines():
        fence = line.lstrip().startswith("```")
        code = fenced or fence
        fenced ^= fence
        kept.append(re.sub(r"^.*?(?:  # |^# |$)", "", line) if code else "" if line.startswith(">") else line)
    yield Passage(1, re.sub(r"`[^`\n]+`|\]\([^)]*\)|<!--.*?-->|\{ #.*?\}|\"[^\"\n]+\"|“[^”\n]+”", "", "\n".join(kept)))


def template(source: str) -> Iterator[Passage]:
    """A template without its style sheets and scripts, line by line as it was."""
    blank = re.sub(r"<(style|script)\b.*?</\1>", lambda match: "\n" * match[0].count("\n"), source, flags=re.DOTALL)
    yield Passage(1, re.sub(r"<[^<>]*>", " ", blank), message=True)


def toml(source: str) -> Iterator[Passage]:
    """Comments of TOML: its strings are prompts and titles of papers, quoted."""
    yield Passage(1, "\n".join(re.sub(r"^.*?(?:# |$)", "", line) for line in source.splitlines()))


def notebook(source: str) -> Iterator[Passage]:
    """The text of a notebook and the comments and strings of its code; lines are those of its cells, one after another."""
    line = 1
    for cell in json.loads(source)["cells"]:
        text = "".join(cell["source"])
        for read in (markdown,) if cell["cell_type"] == "markdown" else (comments, strings):
            yield from (replace(passage, line=line + passage.line - 1) for passage in read(text))
        line += text.count("\n") + 1


READERS = {".ipynb": (notebook,), ".py": (comments, strings), ".md": (markdown,), ".html": (template,), ".toml": (toml,)}


def search(path: Path, *, messages: bool = True) -> Iterator[Finding]:
    """The findings of a file; without messages, only those in docstrings, comments and pages."""
    source = path.read_text("utf-8")
    for reader in READERS[path.suffix]:
        for passage in reader(source):
            if passage.message and not messages:
                continue
            for pattern in PATTERNS:
                for match in pattern.matches(passage.text):
                    line = passage.line + passage.text.count("\n", 0, match.start())
                    yield Finding(path, line, match[0], pattern.better)


def files(paths: list[Path]) -> Iterator[Path]:
    """The files that are read, of files and folders."""
    for path in paths:
        if not path.exists():
            raise SystemExit(f"no file or folder {path}")
        yield from (file for file in sorted(path.rglob("*")) if file.suffix in READERS) if path.is_dir() else [path]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, default=[ROOT / name for name in FOLDERS], metavar="PATH")
    parser.add_argument("--no-messages", action="store_true", help="leave out strings of programs and templates")
    options = parser.parse_args(arguments)
    found = [
        finding
        for path in files(options.paths)
        for finding in search(path, messages=not options.no_messages and not path.is_relative_to(PROMPTS))
    ]
    print(*sorted(map(str, found)), f"{len(found)} phrases", sep="\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
