"""Tables that were published with images in a folder: rows go in, a data set comes out."""
