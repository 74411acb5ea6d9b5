"""One case, closely: the dialog with its samples, its evidence and its command."""

from __future__ import annotations

import shlex

import pytest
from playwright.sync_api import Page, expect

from orchestrator.compare.comparison import Comparison
from tests.browser import runs
from tests.browser.conftest import Open, shown
from tests.factories import case, comparison, measurement, outcome

pytestmark = pytest.mark.browser


def opened(page: Page, place: int = 0) -> None:
    page.locator(".heat a").filter(visible=True).nth(place).click()
    expect(page.locator("#case")).to_be_visible()


def drawn(page: Page) -> list[tuple[str, float]]:
    """Every dot of the samples: its variant, and its height in pixels from the top."""
    paths = page.locator(".samples path.dots").evaluate_all(
        "paths => paths.map((path) => [path.classList[1], path.getAttribute('d')])"
    )
    return [
        (variant, float(dot.split("h")[0].split()[1]))
        for variant, dots in paths
        for dot in dots.split("M")[1:]
    ]


def test_a_cell_opens_its_samples_evidence_environment_and_command(show: Open) -> None:
    page = show(runs.mixed())
    opened(page)
    assert shown(page, "#case-title") == ["ViT, batch 1, default, float32 on A100-SXM4-40GB"]
    assert shown(page, "#case h3") == [
        "Samples in the order taken", "Measure this case again", "Numbers", "Evidence",
        "Environment",
    ]  # fmt: skip
    facts = dict(zip(shown(page, "#case dt"), shown(page, "#case dd"), strict=True))
    assert facts["Speed-up, eager ÷ compiled"].startswith("1.50× (")
    assert facts["GPU or CPU"] == "NVIDIA A100-SXM4-40GB"
    assert facts["Compiler"].startswith("backend inductor, 1 graph")
    assert facts["Limited by"].startswith("not measured")


def test_samples_are_drawn_in_the_order_taken_and_true_to_scale(show: Open) -> None:
    run = runs.mixed()
    page = show(run)
    opened(page)
    measured = run.rows[0].measurement
    assert measured is not None
    timings = measured.timings
    variants = [variant for variant, calls in timings.layout for _ in range(calls)]
    wanted = list(zip(variants, timings.samples_s, strict=True))
    found = drawn(page)
    assert [variant for variant, _ in found] == [variant for variant, _ in wanted]
    heights, times_s = [height for _, height in found], [time_s for _, time_s in wanted]
    pixels_per_s = (max(heights) - min(heights)) / (max(times_s) - min(times_s))
    for height, time_s in zip(heights, times_s, strict=True):
        # A step of the packed samples is 1/127 of their range, and a dot's place is rounded.
        assert max(heights) - height == pytest.approx(
            (time_s - min(times_s)) * pixels_per_s, abs=(max(heights) - min(heights)) / 254 + 0.1
        )


def test_a_case_without_scatter_is_drawn_too(show: Open) -> None:
    page = show(comparison(outcome("a100", measurement(eager_s=0.01, compiled_s=0.01))))
    opened(page)
    assert len({height for _, height in drawn(page)}) == 1


def test_a_failed_case_says_why_and_leads_to_all_that_is_known(show: Open) -> None:
    page = show(runs.mixed())
    page.locator(".heat a.failed").click()
    assert "CUDA out of memory" in shown(page, "#case pre")[0]
    assert all(page.locator("#case dd").all_inner_texts())
    page.get_by_role("link", name="All that is known about it").click()
    expect(page.locator("#case")).to_be_hidden()
    expect(page.locator(".trouble")).to_be_in_viewport()


@pytest.mark.parametrize("leave", ["Escape", "button", "outside"])
def test_leaving_returns_to_the_cell(show: Open, leave: str) -> None:
    page = show(runs.mixed())
    cell = page.locator(".heat a").filter(visible=True).nth(2)
    cell.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#case")).to_be_visible()
    if leave == "Escape":
        page.keyboard.press("Escape")
    elif leave == "button":
        page.get_by_role("button", name="Close").click()
    else:
        page.mouse.click(5, 5)
    expect(page.locator("#case")).to_be_hidden()
    expect(cell).to_be_focused()


def test_the_keyboard_stays_inside_the_dialog(show: Open) -> None:
    page = show(runs.mixed())
    opened(page)
    for key in ("Tab", "Tab", "Tab", "Tab", "Shift+Tab", "Shift+Tab", "Shift+Tab", "Shift+Tab"):
        page.keyboard.press(key)
        assert page.evaluate("document.querySelector('#case').contains(document.activeElement)")


def test_a_line_and_a_bar_and_a_sentence_open_the_same_case(show: Open) -> None:
    page = show(runs.mixed(), "#host=t4&model=resnet-50&batch_size=1")
    title = "ResNet, batch 1, default, float32 on T4"
    for target in (".results tbody tr", ".plot svg[data-i]:not(.dim) rect", ".selection button"):
        page.locator(target).filter(visible=True).first.click()
        assert shown(page, "#case-title") == [title]
        page.keyboard.press("Escape")


def test_an_open_case_has_an_address_that_opens_it_again(show: Open) -> None:
    page = show(runs.mixed())
    page.select_option("[data-filter=host]", "t4")
    opened(page)
    address = page.evaluate("location.hash")
    assert address == "#host=t4&case=t4/vit-base/default/float32/b1"
    page.keyboard.press("Escape")
    page.wait_for_function("location.hash === '#host=t4'")
    page.evaluate(f"location.hash = '{address}'")
    expect(page.locator("#case")).to_be_visible()
    page.reload()
    expect(page.locator("#case-title")).to_have_text("ViT, batch 1, default, float32 on T4")
    page.evaluate("location.hash = '#case=t4/no-such-model/default/float32/b1'")
    expect(page.locator("#case")).to_be_hidden()


def odd_names() -> Comparison:
    model = "./my models/it's $(mine)"
    return comparison(outcome("gpu box", measurement(case(model, 8, "max-autotune", "bfloat16"))))


def test_the_command_names_the_case_for_a_shell_and_is_copied(show: Open) -> None:
    page = show(odd_names(), permissions=["clipboard-read", "clipboard-write"])
    opened(page)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = shlex.split(page.evaluate("navigator.clipboard.readText()"))
    assert copied[:2] == ["python", "orchestrate.py"]
    assert dict(zip(copied[2::2], copied[3::2], strict=True)) == {
        "--hosts": "gpu box",
        "--models": "./my models/it's $(mine)",
        "--modes": "max-autotune",
        "--precisions": "bfloat16",
        "--batch-sizes": "8",
        "--iterations": "300",
        "--weights": "pretrained",
        "--image": "https://example.org/cats.jpg",
    }


def test_a_large_run_keeps_the_means_of_its_blocks(show: Open) -> None:
    measured = [measurement(case(f"org/m-{n}"), calls=90) for n in range(60)]
    page = show(comparison(outcome("a100", *measured)))
    opened(page)
    assert len(drawn(page)) == 60
    assert "the mean of a block" in shown(page, "#case .legend")[0]
