"""What was found: verdict, findings, pairs, prompts, what-ifs. One audit in, what each template prints out."""
