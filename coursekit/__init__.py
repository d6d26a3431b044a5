"""Image segmentation, from a 2 × 2 example to a graded class.

The rooms of the house are imported by name, each only when it is asked for::

    from coursekit import ops, losses, metrics, models, data, training, figures, exercises
"""

__version__ = "0.1.0"
