"""examples/script.py"""

from programs import Start


def test_a_script_runs_its_jobs_and_ends(start: Start) -> None:
    script = start("script.py")
    assert script.end() == 0
    assert script.output.splitlines() == ["6 words: to be or not to be", "4 words: that is the question"]
