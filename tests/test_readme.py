"""README's Python, run word by word: the paths it names are made beforehand, nothing else."""

import contextlib
import dataclasses
import gzip
import json
import re

import pytest


@pytest.fixture
def in_a_folder_with_readme_s_files(tmp_path, monkeypatch, quick_config, tiny_tokenizer):
    from keras_bert import BertClassifier, BertEncoder, BertPretrainer
    from keras_bert.text import save_vocabulary

    monkeypatch.chdir(tmp_path)
    config = dataclasses.replace(quick_config, max_position_embeddings=128)
    BertClassifier(BertEncoder(config), ["negative", "positive"], tiny_tokenizer).save_pretrained("path/to/bert")
    BertPretrainer(BertEncoder(config), tiny_tokenizer).save_pretrained("path/to/pretrained_bert")
    save_vocabulary(tiny_tokenizer.vocabulary, "vocab.txt")
    config.to_json_file("bert_config.json")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("good film. bad film.\nit is good. it was bad.\n" * 20)
    (tmp_path / "train.tsv").write_text("good film\t1\nbad film\t0\n")
    rows = [{"premise": "a", "hypothesis": "b", "gold": gold} for gold in ("no", "maybe", "yes")]
    (tmp_path / "nli.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))


@pytest.mark.slow
def test_readme_s_python_runs(root, in_a_folder_with_readme_s_files, answers_of_forks):
    blocks = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(), re.S)
    assert len(blocks) == 19
    names = {}
    for block in blocks:
        has_new_head = any(
            name in block
            for name in ("BertTagger", "BertQuestionAnswerer", "BertSeq2Seq", "BertExtractiveSummarizer", "topics = ", "chooser = ")
        )
        new_head = pytest.warns(UserWarning, match="newly initialised") if has_new_head else contextlib.nullcontext()
        with new_head:
            exec(compile(block, "README.md", "exec"), names)
    assert names["path"].endswith("served/1")
    assert names["model"].labels == ["negative", "positive"]
    assert len(list(names["pairs"])) == 3
    assert names["result"].step == 3
