"""``python -m contrastive.train RUN --doctor``: checks a configuration and prints one line per check; `examine` runs them."""

from contrastive.training.doctor.examine import examine

__all__ = ["examine"]
