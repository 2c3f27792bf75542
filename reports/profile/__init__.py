"""The bias profile: one row per question and group, with what was measured, and what the responsible people state about it."""
