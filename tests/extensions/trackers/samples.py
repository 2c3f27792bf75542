"""How the option of trackers can be given."""

OPTIONS = {"log_to": ({"model": "colours.py:Colours", "probe": "faces.py", "min_group_size": 5}, ["mlflow"])}
"""What it does is tested beside this module."""
