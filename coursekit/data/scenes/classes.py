"""The eleven classes, with the names and ids of CamVid."""

import numpy as np

CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(len(CLASSES))
THINGS = (SIGN, CAR, PEDESTRIAN, BICYCLIST)
VOID = 255
IS_THING = np.isin(np.arange(VOID + 1), THINGS)
