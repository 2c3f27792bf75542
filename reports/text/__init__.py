"""Every sentence and every printed number of a report, made from records."""
