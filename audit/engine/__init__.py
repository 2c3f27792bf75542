"""One audit from start to end: from a model (or its predictions), a probe and data to facts and predictions.

`audit.engine.answers` asks a model, `audit.engine.external` reads external predictions; both end in `audit.engine.probe_audit`, which
tests, decides and assembles.
"""

from audit.engine.probe_audit import AnsweredProbe, AuditedProbe, UndecidedProbe, build_result, decide_suite

__all__ = ["AnsweredProbe", "AuditedProbe", "UndecidedProbe", "build_result", "decide_suite"]
