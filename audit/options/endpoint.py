"""The options of a model behind an endpoint."""

from __future__ import annotations

from typing import Any, Literal

from audit.errors import UsageError
from audit.models.endpoint.prices import read_prices
from audit.models.endpoint.settings import KEY_VARIABLE, EndpointSettings, is_served, model_name
from audit.options.kinds import AboveZero, Count, FilePath, Switch, Text
from audit.options.schema import Options, facts_of, flag, is_given, option

HOW = "how to run it"
ENDPOINT = "for a model behind an endpoint (--model api:NAME)"


class EndpointRequest(Options):
    """Options of a model behind an endpoint; the key comes only from the environment."""

    base_url: Text | None = option(None, ENDPOINT, "its address, such as http://localhost:8000/v1", metavar="URL")
    api_key_from: Text | None = option(
        None, ENDPOINT, f"the environment variable that holds the key (default: {KEY_VARIABLE})", metavar="NAME"
    )
    confirm_upload: Switch = option(False, ENDPOINT, "allow images to be sent to a host other than this machine")
    answer_mode: Literal["auto", "likelihood", "letter", "schema", "text"] | None = option(
        None, ENDPOINT, "how answers are read: likelihood, letter (with the likely tokens), schema (JSON) or text "
        "(default: the first that the server supports)",
    )  # fmt: skip
    repeats: Count | None = option(
        None, ENDPOINT, "ask each question N times; the report shows how often answers disagree (default: 1)", metavar="N"
    )
    in_flight: Count | None = option(None, ENDPOINT, "the most concurrent requests (default: 16)", metavar="N")
    patience: AboveZero | None = option(
        None, ENDPOINT, "how long a request is retried while the server is busy or unreachable (default: 600)", metavar="SECONDS"
    )
    prices: FilePath | None = option(None, ENDPOINT, "prices of tokens (TOML; see the guide to endpoints)", metavar="FILE")
    max_cost: AboveZero | None = option(None, ENDPOINT, "stop before more is spent; requires --prices", metavar="AMOUNT")
    max_requests: Count | None = option(None, ENDPOINT, "stop before more requests are sent", metavar="N")
    answer_log: FilePath | None = option(None, ENDPOINT, "where answers are stored and looked up (default: in the cache)", metavar="FILE")
    replay: Switch = option(False, ENDPOINT, "send nothing: every answer must be in the log")
    max_new_tokens: Count | None = option(
        None, HOW, "the most tokens of a text that a generative model writes (default: 64); of an answer of api:NAME too", metavar="N"
    )

    def check_endpoint(self, models: tuple[Any, ...]) -> None:
        """Raise UsageError for endpoint options without such a model, and for such a model without an address."""
        served = [model for model in models if is_served(model)]
        names = [name for name in ENDPOINT_OPTIONS if is_given(getattr(self, name))]
        if names and not served:
            raise UsageError(f"{flag(names[0])} requires --model api:NAME", fix="leave it out")
        if served and self.base_url is None:
            fix = f"--model {served[0]} --base-url http://localhost:8000/v1"
            raise UsageError("--base-url is missing", why="a model behind an endpoint has an address", fix=fix)
        if served:
            self.endpoint_settings(served[0])

    def endpoint_settings(self, spec: str) -> EndpointSettings:
        """The settings of a model's endpoint; raises UsageError or DataError if they are invalid."""
        name = model_name(spec)
        settings = {
            "key_variable": self.api_key_from, "mode": self.answer_mode, "in_flight": self.in_flight, "repeats": self.repeats,
            "max_new_tokens": self.max_new_tokens, "patience_s": self.patience, "max_requests": self.max_requests,
            "max_cost": self.max_cost, "prices": read_prices(self.prices, name) if self.prices else None, "log": self.answer_log,
        }  # fmt: skip
        stated: dict[str, Any] = {key: value for key, value in settings.items() if value is not None}
        return EndpointSettings(self.base_url or "", confirm_upload=self.confirm_upload, replay=self.replay, **stated)


ENDPOINT_OPTIONS = tuple(name for name, field in EndpointRequest.model_fields.items() if facts_of(field)["task"] == ENDPOINT)
"""Those that do not apply to a local model."""
