"""What may be wanted beside an audit or a comparison: one folder each, known by its declaration (`audit.extension`) alone.

In: what the core's public names give. Out: commands, files of facts and their pages. None imports another, and nothing else imports one.
"""
