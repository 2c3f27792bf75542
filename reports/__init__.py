"""Reports: `results.json` into one self-contained HTML page. Computes no statistic."""
