from __future__ import annotations

import pytest

from orchestrator.publish import trends
from orchestrator.publish.results import HostHeader, ResultRow, Results, RunHeader, RunOnDisk


def row(
    speed_up: float | None, *, gpu: str = "Tesla T4", batch_size: int = 1, spread: float = 0.1
) -> ResultRow:
    return ResultRow(
        host="t4", gpu=gpu, model="vit", label="ViT", mode="default", precision="float32",
        batch_size=batch_size, verdict="faster" if speed_up else "failed", speed_up=speed_up,
        speed_up_low=speed_up - spread if speed_up and spread else None,
        speed_up_high=speed_up + spread if speed_up and spread else None,
    )  # fmt: skip


def run(
    name: str,
    *rows: ResultRow,
    plan_id: str | None = "p",
    size: str = "full",
    torch: str | None = None,
) -> RunOnDisk:
    header = RunHeader(
        run_id=name, created="2026", answer="Yes", plan_id=plan_id, size=size, backend="inductor"
    )
    hosts = (HostHeader(host="t4", gpu="Tesla T4", torch=torch),)
    return RunOnDisk(name, Results(run=header, hosts=hosts, rows=rows), has_page=True)


def only(*newest_first: RunOnDisk) -> trends.Trend:
    (group,) = trends.groups(newest_first)
    (trend,) = group.trends
    return trend


def test_points_go_from_the_oldest_run_at_the_left_to_the_newest_at_the_right() -> None:
    trend = only(run("c", row(1.5)), run("b", row(1.0)), run("a", row(2.0)))
    assert [point.title.split(":")[0] for point in trend.points] == ["a", "b", "c"]
    xs = [point.x for point in trend.points]
    assert xs == sorted(xs)
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2)
    assert trend.words == "2.00× → 1.50× over 3 runs"


def test_a_larger_speed_up_stands_higher_and_its_interval_around_it() -> None:
    trend = only(run("b", row(2.0)), run("a", row(1.2)))
    low, high = trend.points
    assert high.y < low.y < trend.one
    for point in trend.points:
        assert point.low is not None
        assert point.high is not None
        assert point.high < point.y < point.low
        assert point.high >= 0
        assert point.low <= trends.HEIGHT_PX
        assert 0 <= point.x <= trends.WIDTH_PX


def test_one_is_on_every_chart_even_where_all_runs_are_slower_or_equal() -> None:
    for speed_up in (0.3, 1.0, 7.0):
        trend = only(run("b", row(speed_up)), run("a", row(speed_up)))
        assert 0 <= trend.one <= trends.HEIGHT_PX
        assert len({point.y for point in trend.points}) == 1


def test_without_intervals_there_are_points_alone() -> None:
    trend = only(run("b", row(2.0, spread=0)), run("a", row(1.2, spread=0)))
    assert all(point.low is None and point.high is None for point in trend.points)
    assert "no interval" in trend.points[0].title


def test_one_run_is_no_trend_and_neither_is_one_run_with_two_such_hosts() -> None:
    assert trends.groups([run("a", row(2.0), row(2.1))]) == ()
    assert trends.groups([run("b", row(None)), run("a", row(2.0))]) == ()
    assert trends.groups([]) == ()


def test_processors_cases_rehearsals_and_published_means_are_kept_apart() -> None:
    assert trends.groups([run("b", row(2.0, gpu="A100")), run("a", row(2.0))]) == ()
    assert trends.groups([run("b", row(2.0, batch_size=4)), run("a", row(2.0))]) == ()
    assert trends.groups([run("b", row(2.0), size="tiny"), run("a", row(2.0))]) == ()
    assert trends.groups([run("b", row(2.0), plan_id=None), run("a", row(2.0))]) == ()
    rehearsal = only(run("b", row(2.0), size="tiny"), run("a", row(2.0), size="tiny"))
    assert "shrunken models" in rehearsal.setting


def test_what_moved_most_comes_first_and_what_does_not_fit_is_counted() -> None:
    count = trends.MAX_CHARTS + 3
    newer = [row(1 + size / 100, batch_size=size) for size in range(1, count + 1)]
    older = [row(1.0, batch_size=size) for size in range(1, count + 1)]
    (group,) = trends.groups([run("b", *newer), run("a", *older)])
    assert group.trends[0].name == f"ViT, batch {count}"
    assert len(group.trends) == trends.MAX_CHARTS
    assert group.more == 3


def test_of_many_runs_the_latest_are_drawn() -> None:
    many = [run(f"r{place}", row(1.5)) for place in range(trends.MAX_RUNS + 5)]
    trend = only(*many)
    assert len(trend.points) == trends.MAX_RUNS
    assert trend.points[-1].title.startswith("r0:")


def test_another_release_of_torch_is_marked_between_the_runs_and_named() -> None:
    trend = only(
        run("c", row(1.5), torch="2.14.0"),
        run("b", row(1.0), torch="2.13.0"),
        run("a", row(2.0), torch="2.13.0"),
    )
    (release,) = trend.releases
    assert release.torch == "2.14.0"
    assert trend.points[1].x < release.x < trend.points[2].x
    assert trend.words == "2.00× → 1.50× over 3 runs; torch 2.13.0 → 2.14.0"
    assert trend.points[2].title.startswith("c, torch 2.14.0: 1.50×")


def test_one_release_of_torch_is_no_news() -> None:
    trend = only(run("b", row(1.0), torch="2.13.0"), run("a", row(2.0), torch="2.13.0"))
    assert trend.releases == ()
    assert "torch" not in trend.words
