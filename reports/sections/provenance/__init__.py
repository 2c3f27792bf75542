"""Where the numbers come from: data, prompts, method, requirements, counts."""
