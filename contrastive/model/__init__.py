"""CLIP's two towers with tokenizer and preprocessing: settings in, a module out."""
