"""Batch norm over the samples of all processes, for what torch does on GPUs only: gloo on the CPU."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class _AllSum(torch.autograd.Function):
    """The sum over the processes; what flows back is summed as well, since each process's share went into every sum."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        grad = grads[0].clone()
        dist.all_reduce(grad)
        return grad


class SyncBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` whose batch is that of all processes together (as many samples on each)."""

    @classmethod
    def of(cls, norm: nn.BatchNorm2d) -> SyncBatchNorm2d:
        """Return one with the very parameters and buffers of `norm`."""
        with torch.device("meta"):
            same = cls(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        same._parameters.update(norm._parameters)
        same._buffers.update(norm._buffers)
        return same.train(norm.training)

    def forward(self, x_nchw: Tensor) -> Tensor:
        if not self.training or not dist.is_initialized():
            return super().forward(x_nchw)
        x = x_nchw.to(torch.promote_types(x_nchw.dtype, torch.float32))
        count = dist.get_world_size() * x.numel() // x.shape[1]
        mean_c = _over_all(x) / count
        centred = x - mean_c[None, :, None, None]
        # Two passes: the mean of squares less the square of the mean loses digits where the mean is large.
        variance_c = _over_all(centred.square()) / count
        self._remember(mean_c, variance_c * count / max(1, count - 1))
        y = centred * torch.rsqrt(variance_c + self.eps)[None, :, None, None]
        if self.affine:
            y = y * self.weight[None, :, None, None] + self.bias[None, :, None, None]
        return y.to(x_nchw.dtype)

    @torch.no_grad()
    def _remember(self, mean_c: Tensor, variance_c: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean_c.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance_c.to(self.running_var.dtype), share)


def _over_all(x_nchw: Tensor) -> Tensor:
    total: Tensor = _AllSum.apply(x_nchw.sum((0, 2, 3)))  # type: ignore[no-untyped-call]
    return total


def synchronise_batch_norm(model: nn.Module) -> None:
    """Let every 2-D batch norm inside `model` count the samples of all processes; names and tensors stay. In place."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.BatchNorm2d:
                on_cpu = child.running_mean is None or child.running_mean.device.type == "cpu"
                synchronised = SyncBatchNorm2d.of if on_cpu else nn.SyncBatchNorm.convert_sync_batchnorm
                setattr(parent, name, synchronised(child))
