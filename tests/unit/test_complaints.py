from __future__ import annotations

import pytest

from harness.contract.complaints import complaint
from harness.contract.plan import read_plan


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{}", "models: Field required (and 1 more)"),
        ('{"models": [], "picture": {"url": ""}}', "models: Tuple should have at least 1 item"),
        ('{"models": ["a"], "picture": {"url": 7}}', "picture.url: Input should be a valid string"),
        (
            '{"models": ["a"], "picture": {"url": ""}, "plan_id": "ffff"}',
            "plan_id 'ffff' does not match the content",
        ),
        ("not json", "Invalid JSON: expected ident at line 1 column 2"),
    ],
)
def test_a_bad_plan_is_one_line_that_says_where_and_what(text: str, line: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the text is what is tested
        read_plan(text)
    assert complaint(caught.value).startswith(line)
    assert "\n" not in complaint(caught.value)
