"""Reports: facts of an audit or a comparison in; pages, tables, figures and sentences out. Computes no statistic."""
