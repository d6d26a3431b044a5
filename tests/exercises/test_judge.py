"""How answers of every kind come out of the judge: right, wrong, odd, forbidden, endless."""

import concurrent.futures
import contextlib
import sys
import threading
import warnings

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from coursekit import ops
from coursekit.exercises import assess, check, expect, find, load, properties
from coursekit.exercises.a01_unpooling import nearest_unpool as checks_of_nearest_unpool
from coursekit.exercises.answer import Answer, kind_of, same
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.judge import judge, keeps_every_point
from coursekit.exercises.watch import CROSS_ENTROPY, DIFFERENTIATED_CONVOLUTION, TRANSPOSED_CONVOLUTION, Watch


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


def test_a_tensor_subclass_cannot_work_after_the_call_is_over():
    class Lazy(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            if func is torch.Tensor.detach:
                with torch._C.DisableTorchFunctionSubclass():
                    return F.interpolate(args[0].as_subclass(torch.Tensor), scale_factor=2.0)
            return super().__torch_function__(func, types, args, kwargs or {})

    assert messages(lambda x, scale: x.as_subclass(Lazy))[0] < 0.5


def test_an_exception_of_any_kind_is_the_answers_own():
    class Odd(BaseException):
        pass

    def raises(x, scale):
        raise Odd("surprise")

    score, text = messages(raises)
    assert score == 0
    assert "your code raised Odd: surprise" in text


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
        pytest.param(lambda x, s: _scripted(x, float(s)), id="torch.jit"),
        pytest.param(lambda x, s: _in_a_thread(F.interpolate, x, scale_factor=s), id="thread"),
        pytest.param(lambda x, s: _in_a_pool(ops.nearest_unpool, x, s), id="reference in a pool of threads"),
        pytest.param(ops.nearest_unpool, id="reference"),
        pytest.param(checks_of_nearest_unpool.mistakes["one_step_too_many"].answer, id="code of the checks"),
        pytest.param(vars(sys.modules["coursekit.ops"])["nearest_unpool"], id="sys.modules"),
    ],
)
def test_a_forbidden_call_loses_the_exercise(answer):
    score, text = messages(answer)
    assert score == 0
    assert "write it yourself" in text


@torch.jit.script
def _scripted(x, scale: float):
    return torch.nn.functional.interpolate(x, scale_factor=scale)


def _in_a_thread(function, *args, **kwargs):
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*args, **kwargs)))
    thread.start()
    thread.join()
    return results[0]


def _in_a_pool(function, *args):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result()


@pytest.mark.parametrize(
    ("ban", "call"),
    [
        pytest.param(CROSS_ENTROPY, lambda x, w: F.cross_entropy(x, x.softmax(1)), id="of probabilities"),
        pytest.param(CROSS_ENTROPY, lambda x, w: torch.nn.CrossEntropyLoss()(x, x.softmax(1)), id="module"),
        pytest.param(TRANSPOSED_CONVOLUTION, lambda x, w: torch.nn.LazyConvTranspose2d(2, 2)(x), id="lazy module"),
        pytest.param(
            TRANSPOSED_CONVOLUTION, lambda x, w: torch.vmap(lambda a: F.conv_transpose2d(a[None], w))(x), id="vmap"
        ),
        pytest.param(
            TRANSPOSED_CONVOLUTION,
            lambda x, w: torch.convolution(x, w, None, [1, 1], [0, 0], [1, 1], True, [0, 0], 1),
            id="general convolution",
        ),
        pytest.param(
            DIFFERENTIATED_CONVOLUTION,
            lambda x, w: torch.func.vjp(lambda a: F.conv2d(a, w), torch.zeros(2, 2, 5, 5))[1](x),
            id="vjp",
        ),
        pytest.param(
            DIFFERENTIATED_CONVOLUTION, lambda x, w: torch.nn.grad.conv2d_input((2, 2, 5, 5), w, x), id="torch.nn.grad"
        ),
    ],
)
def test_the_watch_sees_a_call_in_every_form(ban, call):
    watch = Watch([ban])
    with watch:
        call(torch.randn(2, 2, 4, 4), torch.randn(2, 2, 2, 2))
    assert watch.seen == {ban.title}


def test_the_watch_leaves_no_trace():
    before = sys.getprofile(), threading.getprofile()
    with Watch(find("nearest_unpool").forbids):
        pass
    watch = Watch(find("nearest_unpool").forbids)
    F.interpolate(torch.ones(1, 1, 2, 2), scale_factor=2)
    assert (sys.getprofile(), threading.getprofile()) == before
    assert not watch.seen


def test_transposed_convolutions_are_known_by_both_names():
    for name in ("aten::slow_conv_transpose2d", "aten::cudnn_convolution_transpose", "mkldnn::_convolution_transpose"):
        assert TRANSPOSED_CONVOLUTION.operator(name, ())
    assert not TRANSPOSED_CONVOLUTION.operator("aten::convolution", (None,) * 6 + (False,))


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


def test_results_are_compared_whatever_holds_them():
    values = [[1.0, 2.0], [3.0, 4.0]]
    assert same(np.array(values), torch.tensor(values))
    assert same([np.array(values)], (np.array(values, dtype=np.float32),))
    assert not same(np.array(values), np.array(values).T)
    assert not same(np.array(values), torch.tensor(values)[0])
    assert not same(np.array(["a"]), torch.ones(1))


def test_errors_of_two_answers_are_alike_by_type_and_by_words_where_the_type_says_little():
    assert kind_of(IndexError("a")) == kind_of(IndexError("b"))
    assert kind_of(RuntimeError("size 3 for tensor number 1")) == kind_of(RuntimeError("size 14 for tensor number 2"))
    assert kind_of(RuntimeError("sizes do not match")) != kind_of(RuntimeError("expected scalar type Float"))


def _doubling():
    """A little exercise, whose two mistakes look alike in the first call."""
    exercise = Exercise("double")

    @exercise.check(points=1)
    def values(answer, draw):
        """Twice the input."""
        expect.as_reference(answer, lambda x, times=2: times * x, (torch.tensor([0.5]), {"times": 4}), (torch.ones(2),))

    @exercise.mistake
    def added(x, times=2):
        """First."""
        return x + 1.5

    @exercise.mistake
    def constant(x, times=2):
        """Second."""
        return torch.full_like(x, 2) if len(x) == 1 else torch.zeros(2)

    return exercise


def test_a_mistake_is_recognised_by_all_calls_of_a_check():
    exercise = _doubling()
    for name, mistake in exercise.mistakes.items():
        report = judge(exercise, lambda x, times=2, mistake=mistake: mistake.answer(x, times))
        assert [c.mistake for c in report.checks] == [name]
    assert judge(exercise, lambda x, times=2: times * x).score == 1
    (told,) = judge(exercise, lambda x, times=2: x).checks
    assert "the result with times 4 differs" in told.message


def test_keeps_every_point_stops_at_the_first_failure():
    calls = []

    def counted(x, times=2):
        calls.append(x)
        return x

    exercise = _doubling()
    assert keeps_every_point(exercise, lambda x, times=2: times * x)
    assert not keeps_every_point(exercise, counted)
    assert not keeps_every_point(find("nearest_unpool"), lambda x, scale: F.interpolate(x, scale_factor=scale))


def _scaled(x, w, *, factor):
    return x * w * factor


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param(_scaled, None, id="right"),
        pytest.param(lambda x, w, *, factor: _scaled(x, w, factor=factor).float(), "float64", id="dtype"),
        pytest.param(lambda x, w, *, factor: _scaled(x.detach(), w, factor=factor), "the input", id="cut"),
        pytest.param(lambda x, w, *, factor: _scaled(x, w.detach(), factor=factor), "argument 2", id="second cut"),
        pytest.param(lambda x, w, *, factor: _scaled(x, w.mul_(1.5), factor=factor), "argument 2 was", id="in place"),
        pytest.param(
            lambda x, w, *, factor: _scaled(x.double().mul_(2), w, factor=factor) / 2, "argument 1", id="in double"
        ),
        pytest.param(lambda x, w, *, factor: _scaled(x, w, factor=factor.fill_(3)), "factor was", id="an option"),
        pytest.param(
            lambda x, w, *, factor: _scaled(x.float(), w, factor=factor).to(x.dtype),
            "float32",
            id="coarse",
        ),
    ],
)
def test_good_manners_look_at_every_argument(answer, told):
    exercise = Exercise("scaled")
    exercise.check(points=1)(_nothing)

    def arguments(draw):
        return draw.normal(3), draw.normal(3), {"factor": torch.tensor(2.0)}

    properties.add_good_manners(exercise, 1, "_nothing", _scaled, arguments, learned=(0, 1))
    report = judge(exercise, answer)
    assert report.passed == (told is None)
    assert told is None or told in report.checks[1].message


def _nothing(answer, draw):
    """Nothing is asked."""


def test_an_answer_gets_copies_with_their_graph():
    seen = []
    answer = Answer(lambda *args, **options: seen.append((args, options)), Watch(()))
    leaf, maps = torch.ones(2, requires_grad=True), ({1: torch.ones(1)},)
    answer(leaf, maps, option=leaf)
    (got, got_maps), options = seen[0]
    assert got is not leaf
    assert got.requires_grad
    assert options["option"].requires_grad
    assert got_maps[0][1] is not maps[0][1]


def test_check_shows_a_table_and_returns_the_score(capsys, monkeypatch):
    monkeypatch.setenv("COURSEKIT_SEED", "7")
    assert check("nearest_unpool", right) == 2.0
    assert isinstance(check("nearest_unpool", right), float)
    assert "2 of 2 points" in capsys.readouterr().out


def test_every_score_is_a_float_whatever_its_points_are():
    report = judge(find("TinySegNet"), None)
    assert [type(report.score), type(report.max_score)] == [float, float]
    assert type(assess("01_unpooling", {}).score) is float


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
