"""A training run: `inputs.prepare` takes a `Config` and returns `RunInputs`; `loop` starts, resumes, runs and finishes a `Training`.

`checkpointing` writes its state, `doctor` says what is wrong with a run before it starts.
"""
