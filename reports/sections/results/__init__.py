"""The results of an audit: verdict, findings, pairs, prompts."""
