import gzip
import json
import os
import sys

import pytest


@pytest.fixture
def run(root, tmp_path, fresh_python, uncased_vocabulary):
    def run_script(*arguments, vocabulary=uncased_vocabulary):
        command = [sys.executable, str(root / "examples" / "prepare_pretraining_data.py"), "--vocabulary", str(vocabulary)]
        environment = os.environ | {"PYTHONPATH": str(root)}
        return fresh_python.run([*command, "--output_dir", "out", "--workers", "1", *arguments], env=environment, cwd=tmp_path)

    return run_script


def test_the_command_makes_examples(run, tmp_path, review_lines):
    (tmp_path / "texts").mkdir()
    with gzip.open(tmp_path / "texts" / "a.txt.gz", "wt") as file:
        file.write("\n".join(review_lines[:200] + review_lines[:50]))
    (tmp_path / "texts" / "b.png").write_bytes(b"\0")
    arguments = ["--corpus", "texts", "--documents", "line", "--deduplicate", "--pack", "--max_length", "64"]
    done = run(*arguments)
    assert "binary: a zero byte at byte 0" in done.stderr, done.stderr
    done = run(*arguments, "--skip_invalid")  # no shard was finished: this may be corrected
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["duplicates: 50", "skipped files: 1"]
    figures = json.loads(lines[-1])
    assert figures["documents"] == 200
    assert figures["rows"] < figures["examples"]
    assert figures["padding_share"] < 0.2
    assert (tmp_path / figures["manifest"]).exists()
    assert (tmp_path / "out" / "lengths.png").read_bytes()[:4] == b"\x89PNG"
    done = run(*arguments, "--skip_invalid", "--seed", "1")
    assert done.returncode == 1
    assert "settings.seed is 0 there and 1 now" in done.stderr


def test_a_vocabulary_is_learned_from_the_corpus_where_there_is_none(run, tmp_path):
    (tmp_path / "a.txt").write_text("low lower lowest\n" * 20)
    arguments = ["--corpus", "a.txt", "--documents", "line", "--vocabulary_size", "30"]
    done = run(*arguments, vocabulary="new.txt")
    assert done.returncode == 0, done.stderr
    assert {"[MASK]", "low", "lowe"} & set((tmp_path / "new.txt").read_text().split())
    assert json.loads(done.stdout.splitlines()[-1])["documents"] == 20


def test_a_runner_of_beam_gets_the_flags_that_are_its_own(tmp_path, monkeypatch, uncased_vocabulary, capsys):
    import prepare_pretraining_data as script

    class Given(Exception):
        pass

    def prepare_with_beam(corpus, output_dir, tokenizer, settings, *, options, runner):
        assert (corpus.source, output_dir, settings.max_length) == (("texts",), "out", 64)
        raise Given(runner, options)

    monkeypatch.setattr(script, "prepare_with_beam", prepare_with_beam)
    flags = ["--corpus", "texts", "--vocabulary", str(uncased_vocabulary), "--output_dir", "out", "--max_length", "64"]
    with pytest.raises(Given) as given:
        script.main([*flags, "--runner", "FlinkRunner", "--flink_master=localhost:8081"])
    assert given.value.args == ("FlinkRunner", ["--flink_master=localhost:8081"])
    with pytest.raises(SystemExit):
        script.main([*flags, "--flink_master=localhost:8081"])
    assert "unrecognized arguments: --flink_master=localhost:8081 (flags of Beam go with --runner)" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        script.main([*flags, "--runner", "FlinkRunner", "--workers", "2"])
    assert "--workers is of this machine's processes" in capsys.readouterr().err
