"""Cells with more than one level: a box in the image (`boxes`, cropped by `crops`), or several values of one attribute (`votes`)."""
