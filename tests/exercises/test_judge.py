"""How answers of every kind come out of the judge: right, wrong, odd, forbidden, endless."""

import contextlib
import sys
import warnings

import pytest
import torch
from torch.nn import functional as F

from coursekit import ops
from coursekit.exercises import assess, check, find, load
from coursekit.exercises.judge import judge


def right(x, scale):
    return x.repeat_interleave(scale, 2).repeat_interleave(scale, 3)


def messages(answer, exercise="nearest_unpool", seed=0):
    report = judge(find(exercise), answer, seed)
    return report.score, " ".join([report.verdict, *(c.message for c in report.checks if not c.passed)])


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param(lambda x, scale: None, "is a return missing", id="nothing"),
        pytest.param(lambda x, scale: right(x, scale).tolist(), "should be a tensor", id="list"),
        pytest.param(lambda x, scale: right(x, scale)[0], "shape", id="shape"),
        pytest.param(lambda x, scale: right(x, scale) * float("nan"), "NaN", id="nan"),
        pytest.param(lambda x, scale: right(x, scale).to(torch.complex64), "real tensor", id="complex"),
        pytest.param(lambda x: x, "TypeError", id="signature"),
        pytest.param(lambda x, scale: 1 / 0, "ZeroDivisionError", id="raises"),
        pytest.param(lambda x, scale: sys.exit(0), "SystemExit", id="exits"),
        pytest.param(None, "should be a function or a class", id="not callable"),
        pytest.param(3, "should be a function or a class", id="number"),
    ],
)
def test_an_odd_answer_earns_nothing_and_hears_why(answer, told):
    score, text = messages(answer)
    assert score == 0
    assert told in text


def test_a_stub_is_called_not_written_yet():
    def stub(x, scale):
        raise NotImplementedError

    assert messages(stub) == (0, " not written yet not written yet waits for “" + _second_title() + "”")


def _second_title():
    return find("nearest_unpool").checks[1].name


def test_an_object_that_equals_everything_earns_nothing():
    class Yes:
        shape = property(lambda self: (2, 2))
        __eq__ = __ge__ = __le__ = lambda self, other: True
        __getattr__ = __call__ = __getitem__ = lambda self, *args, **kwargs: self
        __hash__ = None

    assert messages(lambda x, scale: Yes())[0] == 0


def test_a_tensor_subclass_that_lies_about_equality_earns_nothing():
    class Liar(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            if func in (torch.isclose, torch.allclose, torch.isnan):
                return torch.ones(())
            return super().__torch_function__(func, types, args, kwargs or {})

    assert messages(lambda x, scale: torch.zeros_like(right(x, scale)).as_subclass(Liar))[0] == 0


def test_an_endless_answer_is_stopped(monkeypatch):
    exercise = find("nearest_unpool")
    quick = [type(c)(c.name, c.points, c.run, c.needs, 0.2) for c in exercise.checks]
    monkeypatch.setattr(exercise, "checks", quick)

    def endless(x, scale):
        while True:
            with contextlib.suppress(Exception):  # a student's catch-all must not swallow the limit
                x = x + 1

    score, text = messages(endless)
    assert score == 0
    assert "no result after 0.2 s" in text


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda x, s: F.interpolate(x, scale_factor=s), id="functional"),
        pytest.param(lambda x, s: torch.nn.Upsample(scale_factor=s)(x), id="module"),
        pytest.param(lambda x, s: getattr(F, "inter" + "polate")(x, scale_factor=s), id="getattr"),
        pytest.param(
            lambda x, s: torch.ops.aten.upsample_nearest2d(x, [x.shape[2] * s, x.shape[3] * s]), id="torch.ops"
        ),
        pytest.param(
            lambda x, s: F.conv_transpose2d(
                x, torch.ones(x.shape[1], 1, s, s, dtype=x.dtype), stride=s, groups=x.shape[1]
            ),
            id="transposed convolution",
        ),
        pytest.param(
            lambda x, s: torch.convolution(
                x,
                torch.ones(x.shape[1], 1, s, s, dtype=x.dtype),
                None,
                [s, s],
                [0, 0],
                [1, 1],
                True,
                [0, 0],
                x.shape[1],
            ),
            id="torch.convolution",
        ),
        pytest.param(ops.nearest_unpool, id="reference"),
        pytest.param(vars(sys.modules["coursekit.ops"])["nearest_unpool"], id="sys.modules"),
    ],
)
def test_a_forbidden_call_loses_the_exercise(answer):
    score, text = messages(answer)
    assert score == 0
    assert "write it yourself" in text


def test_a_forbidden_call_beside_the_answer_is_welcome():
    def compared(x, scale):
        return right(x, scale)

    F.interpolate(torch.ones(1, 1, 2, 2), scale_factor=2)
    assert messages(compared)[0] == find("nearest_unpool").points


def test_prints_and_warnings_cost_nothing(capfd):
    def chatty(x, scale):
        print("hello")
        print("hello", file=sys.stderr)
        warnings.warn("careful", stacklevel=1)
        return right(x, scale)

    assert messages(chatty)[0] == 2
    assert capfd.readouterr().err == ""


def test_hard_coded_answers_fail_for_another_seed():
    seen = []

    def recorder(x, scale):
        seen.append((x.clone(), scale, right(x, scale)))
        return right(x, scale)

    assert messages(recorder, seed=0)[0] == 2

    def replay(x, scale):
        return next((y for a, s, y in seen if s == scale and a.shape == x.shape and torch.equal(a, x)), x)

    assert messages(replay, seed=0)[0] >= 1.5
    assert messages(replay, seed=1)[0] == 0


def test_judging_leaves_the_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    judge(find("TinySegNet"), find("TinySegNet").mistakes["NoPoolingAtAll"].answer)
    assert torch.equal(torch.rand(3), expected)


def test_check_shows_a_table_and_returns_the_score(capsys, monkeypatch):
    monkeypatch.setenv("COURSEKIT_SEED", "7")
    assert check("nearest_unpool", right) == 2.0
    assert isinstance(check("nearest_unpool", right), float)
    assert "2 of 2 points" in capsys.readouterr().out


def test_check_names_an_unknown_exercise():
    with pytest.raises(KeyError, match=r"no exercise 'nearest'.*nearest_unpool"):
        check("nearest", right)


def test_assess_judges_what_is_there():
    report = assess("01_unpooling", {"nearest_unpool": right})
    assert report.score == 2
    assert report.max_score == load("01_unpooling").points == 22
    assert report.exercises["TinySegNet"].verdict == "TinySegNet is not defined"
    assert report.to_dict()["exercises"]["nearest_unpool"]["checks"][0]["passed"] is True


def test_assess_names_unknown_assignments_and_exercises():
    with pytest.raises(KeyError, match="no assignment '9'"):
        assess("9", {})
    with pytest.raises(KeyError, match="has no exercise 'nearest'"):
        assess("01_unpooling", {}, only=["nearest"])


def test_a_report_shows_what_differs_without_colour():
    report = judge(find("nearest_unpool"), lambda x, s: x.repeat(1, 1, s, s))
    text, page = str(report), report._repr_html_()
    assert "This looks like: whole map repeated" in text
    assert "2*" in text
    assert "✗ failed" in page
    assert "<strong>whole map repeated</strong>" in page
