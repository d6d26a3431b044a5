"""The course, for nbgrader's commands and its formgrader: run them in this folder."""

import os
import sys
from pathlib import Path

c = get_config()

root = Path(__file__).parent  # not where a command runs: formgrader may be started from elsewhere

# nbgrader finds `alembic`, and Jupyter the kernels, through PATH, also when called by the full path.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

# Checks draw other inputs than those the students saw. Choose a number of your own and keep it to yourself.
os.environ.setdefault("COURSEKIT_SEED", "2024")

# Submissions are small and graded beside other work: threads would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

c.CourseDirectory.course_id = "segmentation"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "assignments"
c.CourseDirectory.submitted_directory = "grading/submitted"
c.CourseDirectory.autograded_directory = "grading/autograded"
c.CourseDirectory.feedback_directory = "grading/feedback"
# The gradebook holds the source of the tests: not where students' kernels start.
(root / "grading").mkdir(exist_ok=True)
c.CourseDirectory.db_url = os.environ.get("COURSEKIT_GRADEBOOK", f"sqlite:///{root / 'grading' / 'gradebook.db'}")

c.ExchangeFactory.collect = "coursekit.grading.collect.Collect"
c.ZipCollectApp.downloaded_directory = "grading/downloaded"
c.FileNameCollectorPlugin.named_regexp = r".*/(?P<student_id>[^/]+)/(?P<file_id>[^/]+)$"

# Submissions are rebuilt from their answers and marked from outside; nbgrader keeps the gradebook and the feedback.
# Cells have the metadata that they were released with, so nothing is gained by checking it again.
c.Autograde.exporter_class = "coursekit.grading.plugins.SubmissionExporter"
c.Autograde.sanitize_preprocessors = [
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.OverwriteKernelspec",
    "nbgrader.preprocessors.OverwriteCells",
]
c.Autograde.autograde_preprocessors = [
    "coursekit.grading.plugins.MarkOutside",
    "nbgrader.preprocessors.IgnorePattern",
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
]
