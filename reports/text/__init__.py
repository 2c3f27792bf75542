"""Every sentence and every printed number: records in, words out."""
