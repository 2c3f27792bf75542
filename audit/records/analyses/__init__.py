"""What an audit found besides its findings, one kind of question a file; `AuditResult` has a field for each. No verdict depends on it."""
