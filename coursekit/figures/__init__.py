"""Figures: static pictures with alternative texts, and interactive ones that run in the browser.

show_images, show_masks     pictures; pictures with their label maps and a legend
show_arrays                 small matrices with their numbers in the cells
TransposedConvolution       stamp by stamp, client-side
Picture                     what a static figure is: PNG and alternative text
InteractiveFigure           what an interactive one is: a widget, with its Picture where no widget runs
"""

from coursekit.figures.interactive import InteractiveFigure
from coursekit.figures.palette import COLOURS, colourise
from coursekit.figures.picture import Picture
from coursekit.figures.pictures import draw_array, show_arrays, show_images, show_masks
from coursekit.figures.transposed_convolution import TransposedConvolution

__all__ = [
    "COLOURS",
    "InteractiveFigure",
    "Picture",
    "TransposedConvolution",
    "colourise",
    "draw_array",
    "show_arrays",
    "show_images",
    "show_masks",
]
