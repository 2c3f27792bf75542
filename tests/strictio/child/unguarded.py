"""What runs in the children of `test_unguarded`: the readers of strangers' files, without the checks that stand before their libraries."""

import math
import warnings

from PIL import Image

from strictio.images import decode, worker
from strictio.tables import parquet_child, workbook_child


def images():
    decode.MAX_PIXELS = decode.MAX_RATIO = math.inf
    decode.check_structure = lambda content: None
    Image.MAX_IMAGE_PIXELS = None
    warnings.simplefilter("ignore")
    return worker.decoding()


def workbooks():
    workbook_child._MOST_EMPTY = workbook_child._MOST_ROWS = math.inf
    return workbook_child.reading_workbooks()


def parquets():
    parquet_child.check_unfolded = lambda *_: None
    parquet_child.most_unfolded = lambda stored: math.inf
    return parquet_child.reading_parquet()
