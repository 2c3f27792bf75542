"""One audit from start to end: a model (or its predictions), a probe and data go in, facts and predictions come out.

`audit` asks a model; `audit.engine.external` reads external predictions; both end in `build_result`.
"""

from audit.engine.probe_audit import AnsweredProbe, AuditedProbe, UndecidedProbe, ask_probe, audit, build_result, decide_suite

__all__ = ["AnsweredProbe", "AuditedProbe", "UndecidedProbe", "ask_probe", "audit", "build_result", "decide_suite"]
