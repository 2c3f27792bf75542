"""Files of weights, whoever wrote them, read without running anything of them: a path goes in, named tensors come out.

`contents.read` takes a file by its suffix (`readers`), any other as a torch file (`torch_file.read_archive`); `unwrap.unwrap` finds the
weights of one model in it. Imported only where such a file is named: it imports torch.
"""
