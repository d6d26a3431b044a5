"""Warm kernels: Jupyter kernels forked from a process that has everything heavy imported.

Choose them with JUPYTER_DEFAULT_PROVISIONER_NAME=coursekit-warm, for nbval, JupyterLab or nbgrader. They are ordinary
kernels, without the box: what runs in them can do all that its user can.
"""
