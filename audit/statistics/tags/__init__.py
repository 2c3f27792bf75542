"""Labels above a threshold: how often each group is given each of many labels in, tests and differences of each out."""
