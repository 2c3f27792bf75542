"""The parts of a page below its first screen: records in, the words of their cards and lines out."""
