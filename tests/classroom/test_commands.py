"""A class by command line, each as their own user, from release to feedback read by those whom it concerns."""

import pytest

pytestmark = [pytest.mark.classroom, pytest.mark.slow]


def test_a_student_is_told_before_handing_in_what_is_wrong(graded):
    ada, ben = graded.validated
    assert "YOUR ANSWER HERE" not in ada
    assert 'check("nearest_unpool", nearest_unpool)' not in ada
    assert 'check("nearest_unpool", nearest_unpool)' in ben


def test_marks_are_made_in_the_box_by_an_ordinary_user(classroom, graded):
    """Without the box the second answer would have seen the gradebook, and been right."""
    points = classroom.automatic_points(graded.assignment)
    assert (classroom.teacher.home / "segmentation" / "grading" / "gradebook.db").is_file()
    assert graded.scores == [sum(points.values()), sum(points.values()) - points["nearest-check"]]


def test_everybody_has_their_own_feedback(classroom, graded):
    def feedback(student):
        (page,) = (student.home / graded.assignment / "feedback").glob(f"*/{graded.assignment}.html")
        return page.read_text()

    assert "gradebook.db" not in feedback(classroom.ada)
    assert "gradebook.db" in feedback(classroom.ben)
