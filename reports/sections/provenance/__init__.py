"""Where the numbers come from: data, prompts, method, requirements, counts. Facts in, what each template prints out."""
