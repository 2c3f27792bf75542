"""Files of weights of any program, read without running anything of them: a path goes in, named tensors come out.

`contents.read` selects the reader by the suffix (`readers`), else reads a torch file (`torch_file.read_archive`); `unwrap.unwrap` selects
the weights of one model. The modules import torch, so they are imported only where a file of weights is read.
"""
