"""Image classifiers: a folder in Hugging Face layout, or an ONNX file -> the logits of a fixed list of labels."""
