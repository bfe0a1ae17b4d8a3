"""Ratios and tables on numbers made by hand."""

import json
import sys

import pytest

from benchmarks import __main__ as command
from benchmarks import peers, report, startup


def test_ratio_is_the_median_of_neighbouring_rounds_and_iqr_the_width_of_its_middle_half():
    # Ratios 2, 4, 3, 6, 5: quartiles 3, 4, 5. The ratio of the medians would be 12 / 2 = 6.
    compared = report.compare([2.0, 4.0, 12.0, 24.0, 50.0], [1.0, 1.0, 4.0, 4.0, 10.0])
    assert compared == {"ratio_median": 4.0, "ratio_iqr": 2.0, "ratio_quartiles": [3.0, 5.0], "ratio_fastest": 5.0}


def test_quartiles_are_interpolated():
    assert report.quartiles([1.0, 2.0, 3.0, 4.0]) == pytest.approx((1.75, 2.5, 3.25))  # numpy.percentile's
    assert report.quartiles([7.0]) == (7.0, 7.0, 7.0)


def test_sides_of_unlike_many_rounds_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        report.compare([1.0, 2.0], [1.0])


def test_markdown_table():
    assert report.markdown_table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_json_is_written_into_a_new_directory(tmp_path):
    path = tmp_path / "new" / "out.json"
    report.write_json([{"dtype": None}], path)
    assert json.loads(path.read_text()) == [{"dtype": None}]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("ending", "told"), [(KeyboardInterrupt(), "interrupted"), (peers.BenchmarkError("a side died"), "a side died")])
def test_rows_measured_before_a_run_ended_are_told_and_kept(monkeypatch, tmp_path, capsys, ending, told):
    row = {"side": "ours", "peer": "theirs", "ratio_median": 1.5, "ratio_iqr": 0.1}
    path = tmp_path / "out.json"

    def measure(options):
        yield row
        assert json.loads(path.read_text()) == [row | {"kept_awake": False}]  # before the next is begun
        raise ending

    monkeypatch.setattr(startup, "measure", measure)
    monkeypatch.setattr(startup, "table", lambda rows: f"a table of {len(rows)}")
    with pytest.raises(SystemExit, match=f"benchmarks: {told}"):
        command.main(["startup", "--json", str(path), "--no-keep_awake"])
    assert "a table of 1" in capsys.readouterr().out


def test_machine_says_what_a_figure_means_nothing_without():
    machine = report.machine()
    assert machine["cpu"]
    assert machine["cores"] == len(peers.cores())
    assert machine["date"][:2] == "20"


def test_missing_matplotlib_is_told_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(peers.BenchmarkError, match=r'--plot needs matplotlib: pip install -e "\.\[plot\]"'):
        report.import_pyplot()


def test_plots_are_written(tmp_path):
    pytest.importorskip("matplotlib")
    rows = [report.compare([4.0, 9.0], [2.0, 3.0]) | {"target": target} for target in (5, None)]
    paths = [
        report.plot_ratios(rows, ["first", "second"], str(tmp_path / "ratios.png"), "title"),
        report.plot_lines({"a": ([1, 3], [5.0, 6.0])}, str(tmp_path / "lines.png"), xlabel="MB", ylabel="MB/s", title="title"),
    ]
    for path in paths:
        with open(path, "rb") as file:
            assert file.read(8) == b"\x89PNG\r\n\x1a\n"
