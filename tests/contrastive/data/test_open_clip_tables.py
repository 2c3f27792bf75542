"""Tables as open_clip's trainer takes them: tabs, ``filepath`` and ``title``, absolute paths, images in a folder of their own."""

import pytest
from PIL import Image

from contrastive.train import main
from strictio.images import in_process as images
from tests.support.training import TINY_CONV, run_text

pytestmark = pytest.mark.usefixtures("one_thread")

RUN = run_text(TINY_CONV, data="batch = 8", optim="steps = 1; lr = 1e-3")
COLUMNS = ["data.image_column=filepath", "data.caption_column=title"]


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(16):
        Image.new("RGB", (12, 9), (16 * i, 100, 50)).save(folder / f"{i}.png")
    return folder


def written(path, start, separator="\t", title="number {}, so to speak"):
    """Write a table of the pictures, whose paths begin with `start`."""
    path.parent.mkdir(exist_ok=True)
    rows = ["filepath" + separator + "title", *(f"{start}{i}.png{separator}{title.format(i)}" for i in range(16))]
    path.write_text("\n".join(rows) + "\n")
    return path


def trained(run, table, *settings):
    return main([run, "--quiet", "--fresh", f"data.train={table}", *settings])


def test_tabs_and_absolute_paths_in_the_folder_are_read_and_columns_named(run, tmp_path, pictures, capsys):
    table = written(tmp_path / "train.csv", f"{pictures}/")
    assert trained(run, table) == 3
    fix = "data.image_column=filepath data.caption_column=title"
    assert capsys.readouterr().err == f"error: {table} has no column 'image'\nwhy: its columns are filepath, title\nfix: {fix}\n"
    assert trained(run, table, *COLUMNS) == 0
    assert "16 pairs" in capsys.readouterr().out


def test_images_in_a_folder_of_their_own(run, tmp_path, pictures, capsys):
    table = written(tmp_path / "tables" / "train.tsv", f"{pictures}/")
    assert trained(run, table, *COLUMNS) == 3
    assert capsys.readouterr().err == (
        f"error: the images of train.tsv lie outside {table.parent}\nwhy: the first is {pictures}/0.png\nfix: data.images={pictures}\n"
    )
    assert trained(run, table, *COLUMNS, f"data.images={pictures}") == 0
    relative = written(tmp_path / "tables" / "relative.tsv", "")
    assert trained(run, relative, *COLUMNS) == 3
    shown = capsys.readouterr().err
    assert "0.png (no such file)" in shown
    assert "fix: name the folder that the paths begin in or lie in: data.images=DIR\n" in shown
    assert "max_broken" not in shown
    assert trained(run, relative, *COLUMNS, f"data.images={pictures}") == 0


def test_a_separator_of_its_own(run, tmp_path, pictures, capsys):
    table = written(tmp_path / "train.csv", "pictures/", "|", "number {}, so\tto; speak")
    assert trained(run, table, *COLUMNS, "data.separator=|") == 0
    tabs = written(tmp_path / "tabs.csv", "pictures/")
    assert trained(run, tabs, *COLUMNS, r"data.separator=\t") == 0
    assert trained(run, tabs, *COLUMNS, "data.separator=|") == 3
    assert "fix: say what separates its cells" in capsys.readouterr().err
    assert trained(run, tabs, *COLUMNS, "data.separator=||") == 2
    assert 'error: data.separator must be one character, such as "," or "\\t"' in capsys.readouterr().err
    assert trained(run, "shapes", "data.images=x") == 2
    assert "error: data.images is for a table of images and captions" in capsys.readouterr().err


def test_an_absolute_path_leads_nowhere_else(tmp_path, pictures):
    (tmp_path / "secret.png").write_bytes((pictures / "0.png").read_bytes())
    (pictures / "link.png").symlink_to(tmp_path / "secret.png")
    assert images.read_under(pictures, f"{pictures}/3.png") == (pictures / "3.png").read_bytes()
    for name in (f"{tmp_path}/secret.png", f"{pictures}/../secret.png", f"{pictures}/link.png", f"file://{pictures}/3.png"):
        with pytest.raises(images.UnreadableImage, match="outside the folder"):
            images.read_under(pictures, name)
