"""The facts in other forms: terminal, Markdown, CSV, data frames, matplotlib, model card."""
