from tests.metric_pages import PAGE, rewritten


def test_the_table_of_metrics_is_that_of_the_code() -> None:
    assert rewritten(PAGE.read_text()) == PAGE.read_text(), "run python -m tests.metric_pages"
