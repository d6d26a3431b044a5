"""The notebook's own words about itself: tags, points, ids, outputs, kernels. None of them is believed."""

import copy

from attacks.bank import CHECKS, Family, cell_of

metadata = Family("metadata")


@metadata.notebook("checks tagged skip-execution")
def _(sent):
    for check in CHECKS:
        cell_of(sent, check)["metadata"]["tags"] = ["skip-execution", "remove-cell", "raises-exception"]


@metadata.notebook("points raised to 400")
def _(sent):
    for check in CHECKS:
        cell_of(sent, check)["metadata"]["nbgrader"]["points"] = 400


@metadata.notebook("checks deleted")
def _(sent):
    sent["cells"] = [c for c in sent["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") not in CHECKS]


@metadata.notebook("check rewritten to full marks")
def _(sent):
    cell_of(sent, "pool-check")["source"] = "4.0"


@metadata.notebook("outputs forged")
def _(sent):
    for check in CHECKS:
        forged = {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/plain": "8.0"}}
        cell_of(sent, check)["outputs"] = [forged]


@metadata.notebook("check unlocked and declared a solution")
def _(sent):
    cell_of(sent, "pool-check")["metadata"]["nbgrader"] |= {"locked": False, "solution": True}


@metadata.notebook("check turned into text")
def _(sent):
    cell_of(sent, "pool-check")["cell_type"] = "markdown"


@metadata.notebook("ids of two checks exchanged")
def _(sent):
    one, other = cell_of(sent, "nearest-check"), cell_of(sent, "segnet-check")
    one["metadata"], other["metadata"] = other["metadata"], one["metadata"]


@metadata.notebook("a check of the student's own, worth 100")
def _(sent):
    extra = copy.deepcopy(cell_of(sent, "nearest-check"))
    extra["metadata"]["nbgrader"] |= {"grade_id": "bonus", "points": 100}
    sent["cells"].append(extra | {"id": "bonus", "source": "100.0"})


@metadata.notebook("a passing copy of a check")
def _(sent):
    extra = copy.deepcopy(cell_of(sent, "pool-check"))
    sent["cells"].append(extra | {"id": "copy", "source": "4.0"})


@metadata.notebook("another kernel")
def _(sent):
    sent["metadata"]["kernelspec"] = {"name": "../../tmp/evil", "display_name": "x", "language": "bash"}


@metadata.notebook("an answer sent twice: the last one counts", finding="2 times", earns={"nails-check": 2.0})
def _(sent):
    extra = copy.deepcopy(cell_of(sent, "nearest-answer"))
    sent["cells"].append(extra | {"id": "again", "source": "def nearest_unpool(x, scale):\n    return x"})


@metadata.notebook("an answer whose cell was deleted", finding="nearest-answer is missing", earns={"nails-check": 2.0})
def _(sent):
    sent["cells"].remove(cell_of(sent, "nearest-answer"))


@metadata.notebook("an answer that lost its mark", finding="nearest-answer is missing", earns={"nails-check": 2.0})
def _(sent):
    del cell_of(sent, "nearest-answer")["metadata"]["nbgrader"]


@metadata.notebook("an emptied answer", finding="nearest-answer is empty", earns={"nails-check": 2.0})
def _(sent):
    cell_of(sent, "nearest-answer")["source"] = "  \n"


@metadata.notebook("hostile code in a cell of the student's own", finding="of the student's own")
def _(sent):
    source = "import os\nos._exit(0)"
    sent["cells"].insert(
        0, {"cell_type": "code", "id": "evil", "metadata": {}, "outputs": [], "execution_count": None, "source": source}
    )


@metadata.notebook("the given cells rewritten")
def _(sent):
    for cell in sent["cells"]:
        if cell["cell_type"] == "code" and "nbgrader" not in cell["metadata"]:
            cell["source"] = "raise SystemExit('given cells are not taken from here')"
