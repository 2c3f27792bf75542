"""``python -m contrastive.train RUN --doctor``: a configuration goes in, a line for each check comes out; `examine` runs them."""

from contrastive.training.doctor.examine import examine

__all__ = ["examine"]
