"""One kind of locked child: a process that parses or runs untrusted files, with a library that this program did not write.

::

    process  -> serve  -> locks         in this process: start, ask, end -> in the child: answer -> in the child: limits, Landlock, seccomp

A child is a new interpreter that imports one library and locks itself before it sees a byte. It gets requests, open files and answers
over a socket and a file in memory; it reads no other file than code, writes none, reaches no network and starts no program.
"""
