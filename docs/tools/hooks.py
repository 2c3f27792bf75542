"""mkdocs hooks: fill generated blocks, refuse stale samples, add the notebooks to the site, and remove requests to other hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

from docs.tools import gallery, notebooks
from docs.tools.generated import filled

_SHIM = '<script src="https://unpkg.com/iframe-worker/shim"></script>'
"""The script that the plugin `offline` inserts so that search works from disk; it is fetched from a network, ours is not."""
_WORKER = Path(__file__).with_name("worker_from_disk.js").read_text("utf-8")


def on_config(config: MkDocsConfig, **_: Any) -> MkDocsConfig:
    """Raise PluginError if a sample report is not what the present code makes of its results."""
    if stale := gallery.stale():
        raise PluginError(f"stale: {', '.join(stale)}; render them again: python -m docs.tools.gallery --pages")
    return config


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Add the notebooks as pages."""
    for position, content in notebooks.files().items():
        files.append(File.generated(config, position, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill the generated blocks of a page, and link notebooks to their pages."""
    return notebooks.linked(filled(markdown))


def on_post_page(output: str, **_: Any) -> str:
    """Replace the fetched shim by ours, and give the search dialog an accessible name."""
    return output.replace(_SHIM, f"<script>{_WORKER}</script>").replace('role="dialog"', 'role="dialog" aria-label="Search"')


def on_post_template(output_content: str, **_: Any) -> str:
    """Do the same for pages without a Markdown source, such as 404.html."""
    return on_post_page(output_content)
