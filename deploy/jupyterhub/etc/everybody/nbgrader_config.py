"""nbgrader for everybody on this machine: where the exchange is, and for an instructor where the course is."""

import pwd
import sys
from pathlib import Path

from nbgrader.exchange.default import ExchangeCollect


class CollectByOwner(ExchangeCollect):
    """A submission is its owner's: the folder's name is chosen by whoever hands in."""

    def _path_to_record(self, path):
        record = super()._path_to_record(path)
        try:
            record["username"] = pwd.getpwuid(Path(path).stat().st_uid).pw_name
        except KeyError:  # in a pod, which knows only its own user
            self.log.warning("%s: nobody here knows its owner; its name is believed", record["filename"])
        return record


c = get_config()

course = Path.home() / "segmentation"
if course.is_dir():
    c.CourseDirectory.root = str(course)  # whose own configuration nbgrader reads then

c.CourseDirectory.course_id = "segmentation"
c.Exchange.root = str(Path(sys.prefix) / "var" / "exchange")
c.ExchangeFactory.collect = CollectByOwner
# It would print the whole configuration, the gradebook's password too.
c.FormgradeExtension.debug = False
# When a notebook is validated its kernel listens on TCP ports, where all users of the machine could hear its output.
c.KernelManager.transport_encryption = "required"
