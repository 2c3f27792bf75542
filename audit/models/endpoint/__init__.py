"""A generative model behind an endpoint (OpenAI's chat form): pictures and questions go out, answers come in, and each is kept."""
