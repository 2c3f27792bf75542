"""The options of a model behind an endpoint, which requests of audits have too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.api import checks
from audit.cli.options import Request, between, flag, one_of, option, options, path, switch, text, whole
from audit.errors import UsageError
from audit.models.endpoint.prices import read_prices
from audit.models.endpoint.settings import AUTO, KEY_VARIABLE, MODES, SCHEME, EndpointSettings, model_name

HOW = "how to run it"
ENDPOINT = "for a model behind an endpoint (--model api:NAME)"
above_zero = between(5e-324, float("inf"), "a number above 0")


@dataclass(frozen=True)
class EndpointRequest(Request):
    """What may be asked for of a model behind an endpoint; the key comes from the environment alone."""

    base_url: str | None = option(text, None, ENDPOINT, "where it is: http://localhost:8000/v1", metavar="URL")
    api_key_from: str | None = option(
        text, None, ENDPOINT, f"the environment variable that holds the key (default: {KEY_VARIABLE})", metavar="NAME"
    )
    confirm_upload: bool = option(switch, False, ENDPOINT, "images may be sent to a host that is not this machine")
    answer_mode: str | None = option(
        one_of(AUTO, *MODES), None, ENDPOINT, "how answers are read: likelihood, letter (with the likely tokens), schema (JSON) or text "
        "(default: the first that the server serves)", choices=(AUTO, *MODES),
    )  # fmt: skip
    repeats: int | None = option(
        whole(1), None, ENDPOINT, "put each question N times; the report shows how often answers disagree (default: 1)", metavar="N",
        read=int,
    )  # fmt: skip
    in_flight: int | None = option(
        whole(1), None, ENDPOINT, "requests that wait for an answer at the same time (default: 16)", metavar="N", read=int
    )
    patience: float | None = option(
        above_zero, None, ENDPOINT, "how long a request is tried again where the server is busy or out of reach (default: 600)",
        metavar="SECONDS", read=float,
    )  # fmt: skip
    prices: Path | None = option(path, None, ENDPOINT, "what tokens cost (TOML; see the guide of endpoints)", metavar="FILE")
    max_cost: float | None = option(
        above_zero, None, ENDPOINT, "stop before more is spent; requires --prices", metavar="AMOUNT", read=float
    )
    max_requests: int | None = option(whole(1), None, ENDPOINT, "stop before more requests are sent", metavar="N", read=int)
    answer_log: Path | None = option(path, None, ENDPOINT, "where answers are kept and looked up (default: in the cache)", metavar="FILE")
    replay: bool = option(switch, False, ENDPOINT, "send nothing: every answer must be in the log")
    max_new_tokens: int | None = option(
        whole(1), None, HOW, "the most tokens of a text that a generative model writes (default: 64); of an answer of api:NAME too",
        metavar="N", read=int,
    )  # fmt: skip

    def check_endpoint(self, models: tuple[Any, ...]) -> None:
        """Refuse options of an endpoint where no model is behind one, and such a model without an address; UsageError."""
        served = [model for model in models if is_served(model)]
        names = [name for name in ENDPOINT_OPTIONS if checks.is_given(getattr(self, name))]
        if names and not served:
            raise UsageError(f"{flag(names[0])} requires --model api:NAME", fix="leave it out")
        if served and self.base_url is None:
            fix = f"--model {served[0]} --base-url http://localhost:8000/v1"
            raise UsageError("--base-url is missing", why="a model behind an endpoint has an address", fix=fix)
        if served:
            self.endpoint_settings(served[0])

    def endpoint_settings(self, spec: str) -> EndpointSettings:
        """Return what is said about the endpoint of a model; UsageError or DataError where it cannot be."""
        name = model_name(spec)
        settings = {
            "key_variable": self.api_key_from, "mode": self.answer_mode, "in_flight": self.in_flight, "repeats": self.repeats,
            "max_new_tokens": self.max_new_tokens, "patience_s": self.patience, "max_requests": self.max_requests,
            "max_cost": self.max_cost, "prices": read_prices(self.prices, name) if self.prices else None, "log": self.answer_log,
        }  # fmt: skip
        stated: dict[str, Any] = {key: value for key, value in settings.items() if value is not None}
        return EndpointSettings(self.base_url or "", confirm_upload=self.confirm_upload, replay=self.replay, **stated)


ENDPOINT_OPTIONS = tuple(name for name, (option, _) in options(EndpointRequest).items() if option.section == ENDPOINT)
"""Those that mean nothing of a local model."""


def is_served(model: object) -> bool:
    """Whether a model spec names a model behind an endpoint."""
    return isinstance(model, str) and model.startswith(SCHEME)
