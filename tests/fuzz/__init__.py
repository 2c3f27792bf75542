"""Every reader of a stranger's file against mutations of sound ones: ``make fuzz READER=csv SECONDS=900``.

`readers` says what is read and from which sound files it starts, `mutation` spoils them, `child` reads them in a process with limits of
time and memory, `campaign` looks for what ends otherwise than with the file read or refused, and keeps it in ``corpus/READER/``, made
small. What is in the corpus is read in every run of the tests (`test_corpus`).
"""
