"""Measured results: experiments on real and on painted pictures, recorded run by run, shown as tables.

experiments.py   what each row is, as plain data
tasks.py         what is learned and how it is scored; cells.py for the membranes of ISBI 2012
run.py           trains one row with one seed and writes what came of it to runs/EXPERIMENT/ROW.SEED.json
tables.py        mean and spread over the seeds: `table("camvid")`

No number here is typed by hand: `coursekit results run NAME` remakes them.
"""

from coursekit.results.experiments import EXPERIMENTS, Experiment, Row
from coursekit.results.tables import Table, document, names, table

__all__ = ["EXPERIMENTS", "Experiment", "Row", "Table", "document", "names", "table"]
