"""One audit from start to end: from a model (or its predictions), a probe and data to facts and predictions.

`audit` uses a model; `audit.engine.external` reads external predictions; both end in `build_result`.
"""

from audit.engine.probe_audit import AnsweredProbe, AuditedProbe, UndecidedProbe, ask_probe, audit, build_result, decide_suite

__all__ = ["AnsweredProbe", "AuditedProbe", "UndecidedProbe", "ask_probe", "audit", "build_result", "decide_suite"]
