"""What a run would send to an endpoint, and what that would cost: numbers and sentences."""

from __future__ import annotations

from dataclasses import dataclass

from audit.extensions.endpoint.sentences import HERE, cost
from audit.extensions.endpoint.settings import EndpointSettings
from reports.text.numbers import count, in_words


@dataclass(frozen=True)
class Upload:
    """What would be sent, over all probes."""

    settings: EndpointSettings
    requests: int
    """Maximum number, without retries."""
    kept: int
    """Number of answers in the log."""
    sent: int
    """Approximate number of tokens."""
    answered: int = 0
    """Maximum number of tokens."""
    mode: str = ""
    images: int = 0
    """Maximum number: equal images are sent once."""
    texts: int = 0
    """Number of texts for an endpoint that embeds texts; it gets no images."""

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """Head and text of each line of a forecast."""
        return ("sends", self._sending), ("costs", self._cost)

    @property
    def _sending(self) -> str:
        """Say what a run would send where."""
        requests, host, local = in_words(self.requests, "request"), self.settings.host, self.settings.is_local
        if self.texts:
            where = HERE if local else f"not {HERE}"
            return f"{in_words(self.texts, 'text')} to {host} ({where}), no image, in up to {requests}"
        where = HERE if local else f"not {HERE}" + ("" if self.settings.confirm_upload else ": --confirm-upload is needed")
        return f"{in_words(self.images, 'image')} to {host} ({where}), with up to {requests} in mode {self.mode}"

    @property
    def _cost(self) -> str:
        """Say what a run would cost."""
        tokens = f"about {count(self.sent)} tokens sent and at most {count(self.answered)} answered"
        prices = self.settings.prices
        money = f", at most {cost(prices.cost(self.sent, self.answered), prices.currency)}" if prices else "; give --prices for the cost"
        kept = f"; {in_words(self.kept, 'answer')} of this model in the log, which are not requested again" if self.kept else ""
        return f"{tokens}{money}{kept}"
