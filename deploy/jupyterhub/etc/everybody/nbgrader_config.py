"""nbgrader for everybody on this machine: where the exchange is, and for an instructor where the course is."""

import sys
from pathlib import Path

c = get_config()

course = Path.home() / "segmentation"
if course.is_dir():
    c.CourseDirectory.root = str(course)  # whose own configuration nbgrader reads then

c.CourseDirectory.course_id = "segmentation"
c.Exchange.root = str(Path(sys.prefix) / "var" / "exchange")
# It would print the whole configuration, the gradebook's password too.
c.FormgradeExtension.debug = False
# When a notebook is validated its kernel listens on TCP ports, where all users of the machine could hear its output.
c.KernelManager.transport_encryption = "required"
