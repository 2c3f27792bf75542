"""Hooks of mkdocs: generated blocks are filled, a gallery is copied into the site, and no page asks another host for anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from docs.tools import gallery
from docs.tools.generated import filled

_SHIM = '<script src="https://unpkg.com/iframe-worker/shim"></script>'
"""What the theme's plugin `offline` puts into a page, so that its search works from the disk; ours needs no network."""
_WORKER = Path(__file__).with_name("worker_from_disk.js").read_text("utf-8")


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Add the files of the gallery, where it was made."""
    for place, path in gallery.files().items():
        files.append(File.generated(config, place, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill the generated blocks of a page."""
    return filled(markdown)


def on_post_page(output: str, **_: Any) -> str:
    """Put our own shim in place of the one that would be fetched, and give the search, a dialog to screen readers, a name."""
    return output.replace(_SHIM, f"<script>{_WORKER}</script>").replace('role="dialog"', 'role="dialog" aria-label="Search"')


def on_post_template(output_content: str, **_: Any) -> str:
    """Do the same for pages without Markdown, such as 404.html."""
    return on_post_page(output_content)
