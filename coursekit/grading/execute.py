"""nbgrader's Execute, which goes on after a cell that ends its kernel."""

from typing import Any

from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import Execute as NbgraderExecute


class Execute(NbgraderExecute):
    """Runs a submission; a cell that takes its kernel down costs itself and nothing else.

    The cell gets an error as its output, so that a check there earns nothing. The notebook is run again from the top
    in a fresh kernel, without that cell.
    """

    def preprocess(self, nb: NotebookNode, resources: Any, km: Any = None) -> tuple[NotebookNode, Any]:
        self._fatal: set[int] = set()
        while True:
            try:
                return super().preprocess(nb, resources, km)
            except DeadKernelError:
                self.log.warning("cell %d ended its kernel; the others run again without it", self._running)
                self._fatal.add(self._running)

    def preprocess_cell(self, cell: NotebookNode, resources: Any, cell_index: int) -> tuple[NotebookNode, Any]:
        if cell_index in self._fatal:
            message = "this cell ended its Python process"
            cell.outputs = [
                new_output("error", ename="DeadKernelError", evalue=message, traceback=[f"DeadKernelError: {message}"])
            ]
            return cell, resources
        self._running = cell_index
        return super().preprocess_cell(cell, resources, cell_index)
