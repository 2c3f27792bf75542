"""Models behind an endpoint (OpenAI's HTTP API). In: an address, a name, questions. Out: an `Answerer` and `Writer`, or a `TextEncoder`.

::

    plan           the questions, from the options (settings, prices); upload: what would be sent, and its cost
    model          a question about an image as requests, in one of the modes that trial found, and their replies as numbers
    embeddings     texts as vectors
    sending        answers in their order: from the answer_log, or by many requests in flight
    client         one request, within the budget: connections, complaints of the server, retries
    account        what was sent and came back, from usage: the record, its section and sentences
"""

from audit.extension import Account, Extension, ModelKind, Option

CHAT, TEXTS = "api", "text:api"
"""Schemes of models that are asked about images, and of those that embed texts."""
FIELD = "endpoint"
"""The key of `results.json`."""
OPTIONS = (
    Option("base_url", "its address, such as http://localhost:8000/v1", metavar="URL"),
    Option("api_key_from", "the environment variable that holds the key (default: OPENAI_API_KEY)", metavar="NAME"),
    Option("confirm_upload", "allow images to be sent to a host other than this machine"),
    Option(
        "answer_mode", "how answers are read: likelihood, letter (with the likely tokens), schema (JSON) or text (default: the first that "
        "the server supports)", choices=("auto", "likelihood", "letter", "schema", "text"),
    ),
    Option("repeats", "ask each question N times; the report shows how often answers disagree (default: 1)", metavar="N", value="count"),
    Option("in_flight", "the most concurrent requests (default: 16)", metavar="N", value="count"),
    Option(
        "patience", "how long a request is retried while the server is busy or unreachable (default: 600)", metavar="SECONDS",
        value="amount",
    ),
    Option("prices", "prices of tokens (TOML; see the guide to endpoints)", metavar="FILE", value="file"),
    Option("max_cost", "stop before more is spent; requires --prices", metavar="AMOUNT", value="amount"),
    Option("max_requests", "stop before more requests are sent", metavar="N", value="count"),
    Option("answer_log", "where answers are stored and looked up (default: in the cache)", metavar="FILE", value="file"),
    Option("replay", "send nothing: every answer must be in the log"),
)  # fmt: skip
EXTENSION = Extension(
    "endpoint",
    templates="audit.extensions.endpoint",
    models=(
        ModelKind(
            "model behind an endpoint",
            plan="audit.extensions.endpoint.plan:plan_chat",
            options=OPTIONS,
            needs="--base-url URL",
            scheme=CHAT,
            usage="api:NAME",
            form="api:NAME or text:api:NAME (a model behind an endpoint)",
        ),
        ModelKind(
            "text encoder behind an endpoint",
            plan="audit.extensions.endpoint.plan:plan_texts",
            options=OPTIONS,
            needs="--base-url URL",
            scheme=TEXTS,
        ),
    ),
    accounts=(
        Account(
            FIELD,
            title="Use of an endpoint",
            template="endpoint/endpoint",
            record="audit.extensions.endpoint.record:EndpointRecord",
            section="audit.extensions.endpoint.section",
        ),
    ),
)
