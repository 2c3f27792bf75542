"""130 test pictures of four classes; 40 of them were trained on, mirrored or recompressed, from a folder and from a shard."""

import io
import tarfile

from PIL import Image, ImageOps

from tests.support.planted import picture

CLASSES = ("boat", "apple", "cup", "tree")


def smooth(number):
    """Return a picture whose shapes survive a recompression: noise of 6 x 6, enlarged."""
    return Image.open(io.BytesIO(picture(number, size=(6, 6)))).resize((48, 48), Image.Resampling.BICUBIC)


def jpeg(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def make(folder):
    for name in (*(f"test/{each}" for each in CLASSES), "training/more"):
        (folder / name).mkdir(parents=True)
    for row in range(130):
        (folder / "test" / CLASSES[row % 4] / f"{row:03d}.jpg").write_bytes(jpeg(smooth(row), 95))
    for row in range(20):
        (folder / "training" / "more" / f"{row}.jpg").write_bytes(jpeg(ImageOps.mirror(smooth(row)), 90))
        (folder / "training" / f"other-{row}.jpg").write_bytes(jpeg(smooth(1000 + row), 90))
    with tarfile.open(folder / "training" / "shard-0.tar", "w") as shard:
        for row in range(20, 40):
            content = jpeg(smooth(row), 60)
            (member := tarfile.TarInfo(f"{row}.jpg")).size = len(content)
            shard.addfile(member, io.BytesIO(content))
    return ["--data", str(folder)]
