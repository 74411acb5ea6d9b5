from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contract.records import Failure, Measurement
from orchestrator.compare.comparison import Comparison
from orchestrator.compare.published_table import build_published
from orchestrator.page.axes import tick_values
from orchestrator.page.charts import Bar, Chart, durations, fit, savings, segments
from tests.factories import case, comparison, failure, measurement, outcome


def of(*records: Measurement | Failure) -> Comparison:
    return comparison(outcome("a100", *records))


def bars(plot: Chart) -> list[Bar]:
    return [bar for line in plot.lines for bar in line.bars]


def drawn(plot: Chart) -> list[float]:
    return [number for bar in bars(plot) for number in (bar.x, bar.x + bar.width, bar.text_x)]


@pytest.mark.parametrize(
    ("low", "high", "values"),
    [
        (0, 34.6, (0, 10, 20, 30, 40)),
        (0, 0.34, (0, 0.1, 0.2, 0.3, 0.4)),
        (-6, 45, (-10, 0, 10, 20, 30, 40, 50)),
        (0, 0, (0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        (-30, 0, (-30, -20, -10, 0)),
    ],
)
def test_ticks_are_round_and_cover_the_values(
    low: float, high: float, values: tuple[float, ...]
) -> None:
    assert tick_values(low, high) == values


TIMES = st.just(0.0) | st.floats(1e-6, 1e6)


@given(TIMES, TIMES)
def test_ticks_always_cover_and_stay_few(below: float, above: float) -> None:
    values = tick_values(-below, above)
    slack = 1e-8 * (below + above)
    assert values[0] <= -below + slack
    assert values[-1] >= above - slack
    assert 2 <= len(values) <= 10
    assert 0 in values


def test_duration_bars_start_at_zero_and_are_proportional() -> None:
    run = of(measurement(case(), eager_s=0.020, compiled_s=0.010))
    eager, compiled = bars(durations(list(enumerate(run.rows))))
    assert eager.x == compiled.x == 0
    assert eager.width == pytest.approx(2 * compiled.width, abs=0.02)
    assert (eager.text, compiled.text) == ("20.0", "10.0")


def test_noisy_times_carry_whiskers_around_the_end_of_their_bar() -> None:
    run = of(measurement(noise=0.1))
    for bar in bars(durations(list(enumerate(run.rows)))):
        assert bar.low is not None
        assert bar.high is not None
        assert bar.low < bar.x + bar.width < bar.high


def test_a_slower_case_grows_to_the_left_of_zero() -> None:
    run = of(measurement(eager_s=0.010, compiled_s=0.015))
    plot = savings(list(enumerate(run.rows)))
    (bar,) = bars(plot)
    assert bar.tone == "slower"
    assert bar.x + bar.width == pytest.approx(plot.zero)
    assert bar.text_x >= plot.zero


def test_a_failed_case_keeps_its_line_and_says_why() -> None:
    run = of(measurement(case(batch_size=1)), failure(case(batch_size=4), "oom"))
    good, bad = durations(list(enumerate(run.rows))).lines
    assert good.bars
    assert not good.remark
    assert not bad.bars
    assert bad.remark == "✕ OOM"
    assert bad.y > good.y


def test_nothing_but_failures_has_lines_and_no_axis() -> None:
    plot = savings(list(enumerate(of(failure(case())).rows)))
    assert len(plot.lines) == 1
    assert plot.ticks == ()


def test_no_cases_make_an_empty_chart() -> None:
    assert durations([]).lines == ()
    assert savings([]).lines == ()


def test_equal_times_draw_a_bar_of_no_width() -> None:
    plot = savings(list(enumerate(of(measurement(eager_s=0.01, compiled_s=0.01)).rows)))
    assert bars(plot)[0].width == 0
    assert bars(plot)[0].tone == "same"


def test_the_published_figure_is_a_marker_inside_the_plot() -> None:
    run = of(measurement(case("vit-base"), eager_s=0.004, compiled_s=0.003))
    eager, compiled = bars(durations(list(enumerate(run.rows))))
    assert eager.marker is not None
    assert compiled.marker is not None
    assert 0 < compiled.marker < eager.marker <= 100


def test_published_rows_are_bars_without_whiskers_markers_or_verdict() -> None:
    plot = savings(list(enumerate(build_published().rows)))
    assert all(bar.low is None and bar.marker is None for bar in bars(plot))
    assert {bar.tone for bar in bars(plot)} == {"published"}
    assert not any(symbol in bar.text for bar in bars(plot) for symbol in "▲▼≈?")


def test_nothing_is_drawn_outside_the_plot() -> None:
    run = of(
        *(
            measurement(case(batch_size=size), compiled_s=seconds, noise=0.3)
            for size, seconds in ((1, 0.001), (2, 0.01), (3, 0.05))
        )
    )
    for plot in (durations, savings):
        assert all(0 <= number <= 100 for number in drawn(plot(list(enumerate(run.rows)))))


def test_a_long_name_is_shortened_and_kept_whole_beside() -> None:
    name = "a-model-name-that-is-forty-characters-xy"
    (line,) = durations(list(enumerate(of(measurement(case(f"org/{name}"))).rows))).lines
    assert line.label == "a-model-name-tha…"
    assert line.full_label == name


def test_wide_characters_count_twice() -> None:
    assert fit("模" * 8) == "模" * 8
    assert fit("模" * 9) == "模" * 8 + "…"


def test_segments_fill_the_whole_bar() -> None:
    parts = segments({"faster": 2, "failed": 1, "same": 3})
    assert [part.verdict for part in parts] == ["faster", "same", "failed"]
    assert parts[-1].x + parts[-1].width == pytest.approx(100, abs=0.02)
    assert segments({}) == ()
