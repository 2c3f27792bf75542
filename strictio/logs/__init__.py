"""JSON records of logs that a user brings, read strictly and one at a time: members of a ZIP archive, elements of a long array.

Lines of JSON are tables (`strictio.tables.json_lines`). One object comes out of each record, with numbers as their text in the file. A
file that cannot be read is a `DataError` that names the record; one that unfolds to far more than it has on the disk is an `UnsafeError`.
"""
