"""The options of the commands as pydantic models: parser, help, checks, Python requests and tables of the docs come from their fields."""
