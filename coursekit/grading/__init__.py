"""Grading: what stands behind nbgrader in `nbgrader_config.py`, and the demonstration of an instructor's day."""
