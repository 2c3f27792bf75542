"""Generative models behind an endpoint (OpenAI's chat API): sends images and questions, and records every answer."""
