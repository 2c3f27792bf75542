"""Results in other formats: terminal, Markdown, CSV, data frames, matplotlib, JUnit XML, model card, CycloneDX."""
