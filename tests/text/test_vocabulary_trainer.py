"""Against google-research's BasicTokenizer for the words, and against small merges done by hand."""

import collections
import gzip
import hashlib
import sys

import pytest
from official.nlp.tools.tokenization import BasicTokenizer
from unicode_lines import unicode_lines

from keras_bert import BertTokenizer
from keras_bert.text.normalization import Normalizer
from keras_bert.text.vocabulary import check_vocabulary, load_vocabulary, save_vocabulary
from keras_bert.text.vocabulary_trainer import SPECIAL, count_words, train_vocabulary


@pytest.fixture
def write(tmp_path):
    def write(content, name="text.txt"):
        path = tmp_path / name
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


@pytest.mark.parametrize("lower_case", [True, False], ids=["uncased", "cased"])
def test_words_are_google_researchs(review_lines, lower_case):
    lines = review_lines[:2000] + unicode_lines(1000)
    basic = BasicTokenizer(do_lower_case=lower_case)
    expected = collections.Counter(word for line in lines for word in basic.tokenize(line))
    assert count_words((line.encode() for line in lines), Normalizer(lower_case=lower_case)) == expected


def test_the_commonest_pairs_are_merged_first():
    # Pairs of letters, times: l+##o 10, ##o+##w 7, ##o+##t 3. Then lo+##w 7 and lo+##t 3, one merge of each.
    texts = ["low"] * 7 + ["lot"] * 3
    letters = ["l", "o", "t", "w", "##l", "##o", "##t", "##w"]
    assert train_vocabulary(iter(texts), 100, progress=False) == [*SPECIAL, *letters, "lo", "low", "lot"]
    assert train_vocabulary(iter(texts), 14, progress=False) == [*SPECIAL, *letters, "lo"]


def test_ties_are_decided_by_the_alphabet_and_not_by_the_order_of_the_texts():
    texts = ["cd ab", "ef gh"] * 5
    merged = train_vocabulary(iter(texts), 100, progress=False)[-4:]
    assert merged == train_vocabulary(iter(texts[::-1]), 100, progress=False)[-4:] == ["ab", "cd", "ef", "gh"]


def test_what_is_rarer_than_min_frequency_is_not_learned():
    texts = ["ab ab ab qab", "z"]
    # q and z occur once: no pieces; "qab" would be [UNK], and its "##a" and "##b" make no pair.
    assert train_vocabulary(iter(texts), 100, progress=False) == [*SPECIAL, "a", "b", "##a", "##b", "ab"]
    assert train_vocabulary(iter(texts), 100, min_frequency=4, progress=False) == [*SPECIAL, "a", "b", "##a", "##b"]
    assert {"q", "z", "##q", "qab"} <= set(train_vocabulary(iter(texts), 100, min_frequency=1, progress=False))


def test_punctuation_and_chinese_characters_continue_no_word():
    vocabulary = train_vocabulary(iter(["北京, ok! 北京, ok!"]), 100, progress=False)
    assert vocabulary == [*SPECIAL, "!", ",", "k", "o", "京", "北", "##k", "##o", "ok"]


def test_a_word_that_the_tokenizer_takes_for_unknown_teaches_nothing():
    assert train_vocabulary(iter(["ab " * 3 + "xy" * 101] * 2), 100, progress=False) == [*SPECIAL, "a", "b", "##a", "##b", "ab"]


def test_case_and_accents_are_as_asked():
    def last(**options):
        return train_vocabulary(iter(["Éa"] * 2), 100, progress=False, **options)[-1]

    assert last() == "ea"
    assert last(lower_case=False) == "Éa"
    assert last(strip_accents=False) == "éa"
    assert last(lower_case=False, strip_accents=True) == "Ea"


def test_special_and_unused_pieces_stand_first():
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a")
    vocabulary = train_vocabulary(iter(["ab ab"]), 100, special=special, num_unused=2, progress=False)
    assert vocabulary == [*special, "[unused0]", "[unused1]", "b", "##a", "##b", "ab"]
    with pytest.raises(ValueError, match=r"special pieces: no \[SEP\]"):
        train_vocabulary(iter(["ab"]), 100, special=special[:3])


@pytest.mark.slow
def test_every_run_gives_the_same_list_and_the_tokenizer_takes_it(root, other_python, tmp_path, review_lines):
    # More pieces asked for than there are frequent pairs without ties, on files in either order.
    (tmp_path / "a.txt").write_text("\n".join(review_lines[:700]), encoding="utf-8")
    with gzip.open(tmp_path / "b.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(review_lines[700:1500]) + "\n我们热爱北京\n我们热爱北京\n")
    files = [tmp_path / "a.txt", tmp_path / "b.gz"]
    vocabulary = train_vocabulary(files, 2000, progress=False)
    assert len(vocabulary) == 2000
    digest = hashlib.sha256("\n".join(vocabulary).encode()).hexdigest()
    program = """
import hashlib, sys
from keras_bert.text.vocabulary_trainer import train_vocabulary
print(hashlib.sha256("\\n".join(train_vocabulary(sys.argv[1:], 2000, progress=False)).encode()).hexdigest())
"""
    done = other_python.run([sys.executable, "-c", program, *files[::-1]], cwd=root, check=True)
    assert done.stdout.strip() == digest
    assert hash("a word") != int(other_python.run([sys.executable, "-c", "print(hash('a word'))"]).stdout)

    save_vocabulary(check_vocabulary(vocabulary), tmp_path / "vocab.txt")
    assert load_vocabulary(tmp_path / "vocab.txt") == vocabulary
    tokenizer = BertTokenizer(tmp_path / "vocab.txt")
    held_out = tokenizer.tokenize(review_lines[1500:2500]).flat_values.numpy()
    assert (held_out == tokenizer.unk_id).mean() < 0.001


def test_files_and_texts_give_the_same_words(write):
    content = "ab ab\nab é\r\n\né"
    expected = train_vocabulary(iter(content.split("\n")), 50, progress=False)
    assert expected == [*SPECIAL, "a", "b", "e", "##a", "##b", "ab"]
    plain, packed = write(content), write(content, "text.txt.gz")
    assert train_vocabulary(str(plain), 50, progress=False) == expected
    assert train_vocabulary([packed], 50, progress=False) == expected
    assert train_vocabulary([plain, packed], 50, progress=False) == expected


def test_rare_words_are_forgotten_where_there_are_too_many(capfd):
    """400,000 words that stand once each, beside two that stand in each of as many lines."""
    lines = (b"common word x%07d" % number for number in range(400_000))  # 9 MB
    counts = count_words(lines, Normalizer(lower_case=True), max_words=100_000, progress=True)
    assert counts["common"] == counts["word"] == 400_000
    assert 2 <= len(counts) <= 100_000 and set(counts.values()) <= {1, 400_000}
    assert "more than 100,000 different words: those seen up to 1 times are forgotten" in capfd.readouterr().err
    texts = ["low"] * 7 + ["lot"] * 3
    assert train_vocabulary(iter(texts), 100, max_words=2, progress=False)[-3:] == ["lo", "low", "lot"]
    with pytest.raises(ValueError, match="max_words=0; expected 1 or more"):
        train_vocabulary(iter(texts), 100, max_words=0)


def test_progress_counts_lines_and_megabytes(write, capfd):
    path = write("ab ab\n" * 200_000)
    train_vocabulary(path, 50)
    told = capfd.readouterr().err
    assert "counted 200,000 lines, 1.2 MB, " in told
    assert "learning 50 pieces from 1 words" in told
    train_vocabulary(path, 50, progress=False)
    assert "counted" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"good\nb\xffd\n", "text.txt", r"text\.txt:2: not UTF-8 \(invalid start byte at byte 1 of the line\)"),
        (b"good\n\ncut \xe4\xbd", "text.txt.gz", r"text\.txt\.gz:3: not UTF-8"),
        (b"", "text.txt", r"no character occurs min_frequency=2 times in the 0 words of .*text\.txt"),
        (b" \n\n", "text.txt.gz", r"in the 0 words of .*text\.txt\.gz"),
    ],
)
def test_what_cannot_be_learned_from_is_told(write, content, name, message):
    with pytest.raises(ValueError, match=message):
        train_vocabulary(write(content, name), 50, progress=False)


def test_broken_gzip_is_told(write):
    path = write("many words\n" * 1000, "text.gz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"text\.gz:\d+: broken gzip"):
        train_vocabulary(path, 50, progress=False)
    path.write_bytes(b"not packed")
    with pytest.raises(ValueError, match=r"text\.gz:1: broken gzip"):
        train_vocabulary(path, 50, progress=False)


def test_a_missing_file_and_texts_that_are_none_are_told():
    with pytest.raises(FileNotFoundError, match="nowhere"):
        train_vocabulary(["nowhere.txt"], 50, progress=False)
    with pytest.raises(ValueError, match="text 2: 7 is a int; expected str"):
        train_vocabulary(iter(["a", 7]), 50, progress=False)


def test_the_smallest_size_is_named_and_enough():
    texts = ["ab cd!"] * 2
    with pytest.raises(ValueError, match=r"size=13 .* 5 special pieces and 9 characters of the texts; the smallest size is 14"):
        train_vocabulary(iter(texts), 13, progress=False)
    assert len(train_vocabulary(iter(texts), 14, progress=False)) == 14


def test_a_frequency_below_one_is_refused():
    with pytest.raises(ValueError, match="min_frequency=0"):
        train_vocabulary(iter(["a"]), 50, min_frequency=0)
