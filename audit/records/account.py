"""What the core reads of the record of an `audit.extension.Account`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class AccountRecord(Protocol):
    """How a model was asked over a network, and answered."""

    @property
    def asked(self) -> int:
        """Number of questions with a response."""
        ...

    @property
    def without_answer(self) -> Mapping[str, int]:
        """Outcome other than an answer (``unclear``, a refusal, an unparsable reply) -> number of questions."""
        ...

    @property
    def version_names(self) -> tuple[str, ...]:
        """The names of all versions of the model that answered, as its server states them; several if the model changed meanwhile."""
        ...
