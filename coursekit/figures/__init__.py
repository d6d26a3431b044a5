"""Figures: static pictures with alternative texts, and interactive ones that run in the browser.

show_images, show_masks     pictures; pictures with their label maps and a legend
show_labels                 label maps in one row
show_instances              pictures with masks, boxes, names and joints
show_arrays                 small matrices with their numbers in the cells
show_architecture           a network as boxes, drawn from the shapes that `layer_shapes` saw in it
LabelExplorer               what the three kinds of label say about a pixel
MaskPainter                 paint, and see every score, loss and gradient follow
DetectionMatches            average precision and panoptic quality, built from their matches
SlidingWindow               a window around every pixel, and what that costs
ReceptiveFields             what one value of each layer sees
ActivationSeries            maps from inside a network, layer by layer
SkipSwitchboard             a U-Net with its skips on switches
OverlapTile                 what is read for each tile, and what is mirror image
PyramidBins                 what one pixel is told about the scene, at four scales
RoiBox                      RoIPool and RoIAlign of a box that can be dragged
KeypointHeatmaps            a person's joints as seventeen one-hot masks
PrototypeMixer              YOLACT's masks, mixed by hand
LossLaboratory              what each loss and its gradient say about a wrong prediction
SketchToStreet              draw lines, and a generator in the browser paints a street
TransposedConvolution       stamp by stamp, client-side
Picture                     what a static figure is: PNG and alternative text
InteractiveFigure           what an interactive one is: a widget, with its Picture where no widget runs
"""

from coursekit.figures.activation_series import ActivationSeries
from coursekit.figures.architecture import layer_shapes, show_architecture
from coursekit.figures.detection_matches import DetectionMatches
from coursekit.figures.instances import show_instances
from coursekit.figures.interactive import InteractiveFigure
from coursekit.figures.keypoint_heatmaps import KeypointHeatmaps
from coursekit.figures.label_explorer import LabelExplorer
from coursekit.figures.loss_laboratory import LossLaboratory
from coursekit.figures.mask_painter import MaskPainter
from coursekit.figures.overlap_tile import OverlapTile
from coursekit.figures.palette import COLOURS, colourise
from coursekit.figures.picture import Picture
from coursekit.figures.pictures import draw_array, show_arrays, show_images, show_labels, show_masks
from coursekit.figures.prototype_mixer import PrototypeMixer
from coursekit.figures.pyramid_bins import PyramidBins
from coursekit.figures.receptive_fields import ReceptiveFields
from coursekit.figures.roi_box import RoiBox
from coursekit.figures.sketch_to_street import SketchToStreet
from coursekit.figures.skip_switchboard import SkipSwitchboard
from coursekit.figures.sliding_window import SlidingWindow
from coursekit.figures.transposed_convolution import TransposedConvolution

__all__ = [
    "COLOURS",
    "ActivationSeries",
    "DetectionMatches",
    "InteractiveFigure",
    "KeypointHeatmaps",
    "LabelExplorer",
    "LossLaboratory",
    "MaskPainter",
    "OverlapTile",
    "Picture",
    "PrototypeMixer",
    "PyramidBins",
    "ReceptiveFields",
    "RoiBox",
    "SketchToStreet",
    "SkipSwitchboard",
    "SlidingWindow",
    "TransposedConvolution",
    "colourise",
    "draw_array",
    "layer_shapes",
    "show_architecture",
    "show_arrays",
    "show_images",
    "show_instances",
    "show_labels",
    "show_masks",
]
