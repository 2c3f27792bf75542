"""A loss of features and scalars with its gradients, what autograd keeps of it, and the dense losses in the form of the tiled ones."""

import torch

from contrastive.loss.dense import LOSSES


def dense_form(kind):
    return lambda image_nd, text_nd, logit_scale, logit_bias: LOSSES[kind](image_nd, text_nd, logit_scale.exp(), logit_bias)


def value_and_slopes(function, tensors, **settings):
    """Return the value and the gradients of all tensors."""
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    value = function(*leaves, **settings)
    return [value.detach(), *torch.autograd.grad(value, leaves, allow_unused=True)]


def kept_bytes(forward, ignored=()):
    """Return the bytes of the distinct tensors that a forward pass leaves for the backward pass, those in `ignored` not counted."""
    kept, known = {}, {tensor.untyped_storage().data_ptr() for tensor in ignored}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        value = forward()
    value.backward()
    return sum(kept.values())
