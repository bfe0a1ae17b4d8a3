import json

import pytest

from keras_bert.data import Frame, PropbankSentence, read_propbank, write_props

# By hand: one sentence of two predicates, one of none.
EAT = Frame(1, "eat", "01", [("A0", 0, 0), ("V", 1, 1), ("A1", 2, 4)])
MAKE = Frame(4, "make", "02", [("A1", 2, 2), ("R-A1", 3, 3), ("V", 4, 4)])
SENTENCES = [PropbankSentence(["We", "eat", "food", "that's", "made"], [EAT, MAKE]), PropbankSentence(["Good", "!"], [])]
COLUMNS_2005 = (
    "We     -     (A0*)  *\neat    eat   (V*)   *\nfood   -     (A1*   (A1*A1)\nthat's -     *      (R-A1*)\nmade   make  *)     (V*)\n\n"
    "Good -\n! -\n"
)
COLUMNS_2012 = """#begin document (bn/a); part 000
bn/a 0 0 We PRP (S(NP*) - - - A (PER) (A0*) * (1)
bn/a 0 1 eat VB (VP* eat 01 1 A * (V*) * -
bn/a 0 2 food NN (NP* food - 2 A * (A1* (A1*) (2
bn/a 0 3 that's WP * - - - A * * (R-A1*) 2)
bn/a 0 4 made VB *))) make 02 - A * *) (V*) -

bn/a 0 0 Good JJ * - - - A * (0
bn/a 0 1 ! . * - - - A * 0)
#end document
#begin document (bn/a); part 001
bn/a 1 0 Good JJ * - - - A * -
bn/a 1 1 ! . * - - - A * -
#end document
"""
PROPBANK = "\n".join(
    line if not line or line[0] == "#" else "\t".join(fields[:8] + fields[11:-1])
    for line in COLUMNS_2012.split("\n")
    for fields in [line.split(" ")]
)


def without_senses(sentences):
    return [PropbankSentence(s.words, [Frame(f.predicate, f.lemma, "", f.arguments) for f in s.frames]) for s in sentences]


@pytest.mark.parametrize("name", ["f.props", "f.props.gz"])
def test_columns_of_conll_2005(write, name):
    path = write(name, COLUMNS_2005)
    assert read_propbank(path) == without_senses(SENTENCES)
    assert read_propbank([path, str(path)]) == 2 * without_senses(SENTENCES)


def test_conll_2005_with_words_in_their_own_file(write, tmp_path):
    words = write("f.words.gz", "We  PRP\neat VB\nfood NN\nthat's WP\nmade VB\n\nGood JJ\n! .\n\n")
    props = write("f.props", "".join(" ".join(line.split()[1:]) + "\n" for line in COLUMNS_2005.split("\n")))
    assert read_propbank(props, words=words) == without_senses(SENTENCES)
    pasted = "".join(f"{line.split()[0]} X X {line.split(None, 1)[1]}\n" if line else "\n" for line in COLUMNS_2005.split("\n"))
    assert read_propbank(write("f.txt", pasted), format="conll2005", predicate_column=3) == without_senses(SENTENCES)


@pytest.mark.parametrize(("content", "format"), [(COLUMNS_2012, "conll2012"), (PROPBANK, "propbank")])
def test_columns_of_ontonotes_and_of_the_propbank_release(write, content, format):
    expected = [*SENTENCES, SENTENCES[1]]  # food has a lemma and no frame
    assert read_propbank(write("f.v4_gold_conll", content)) == expected
    assert read_propbank(write("f.txt.gz", content), format=format) == expected


def test_byte_order_mark_carriage_returns_and_no_break_spaces(write):
    content = b"\xef\xbb\xbf" + COLUMNS_2005.replace("We ", "W\u00a0e ").replace("\n", "\r\n").encode()
    (first, second) = read_propbank(write("f.props", content))
    assert first.words == ["W\u00a0e", "eat", "food", "that's", "made"]
    assert first.frames == without_senses(SENTENCES)[0].frames and second == SENTENCES[1]


def test_both_layouts_of_the_excerpt_hold_the_same(reference):
    sentences = read_propbank(reference / "propbank" / "gold.jsonl")
    assert read_propbank(reference / "propbank" / "gold.conll") == sentences
    assert (len(sentences), sum(len(sentence.frames) for sentence in sentences)) == (25, 46)  # as srl_eval.txt counts them
    mix = next(sentence for sentence in sentences if sentence.words == ["MIX", "IT", "ALL", "UP"])
    assert mix.frames == (Frame(0, "mix", "mix_up.02", [("V", 0, 0), ("ARG1", 1, 2), ("C-V", 3, 3)]),)


def test_both_layouts_of_the_treebank_hold_the_same(shared):
    folder = shared / "data" / "srl_ewt_propbank"
    sentences = read_propbank(folder / "dev.jsonl.gz")
    assert read_propbank(folder / "dev.conll.gz") == sentences
    assert (len(sentences), sum(len(sentence.frames) for sentence in sentences)) == (1937, 4913)  # as the README says


def test_props_are_written_as_they_are_read(write, tmp_path, reference):
    sentences = read_propbank(reference / "propbank" / "gold.conll")
    write_props(tmp_path / "written.props", sentences)
    assert read_propbank(tmp_path / "written.props", words=reference / "propbank" / "words") == without_senses(sentences)
    write_props(tmp_path / "hand.props", SENTENCES)
    assert (tmp_path / "hand.props").read_text() == ("-\t(A0*)\t*\neat\t(V*)\t*\n-\t(A1*\t(A1*)\n-\t*\t(R-A1*)\nmake\t*)\t(V*)\n\n-\n-\n\n")


@pytest.mark.parametrize("lemma", ["", "-", "take care"])
def test_a_lemma_that_no_column_holds_leaves_the_old_file(tmp_path, lemma):
    write_props(tmp_path / "f.props", SENTENCES[1:])
    before = (tmp_path / "f.props").read_bytes()
    frame = Frame(1, lemma, "", [("V", 1, 1)])
    with pytest.raises(ValueError, match=f"sentence 1: the predicate at word 1 has the lemma '{lemma}'; a column holds one without"):
        write_props(tmp_path / "f.props", [SENTENCES[0], PropbankSentence(["a", "b"], [frame])])
    assert [path.name for path in tmp_path.iterdir()] == ["f.props"] and (tmp_path / "f.props").read_bytes() == before


# Files that cannot be used.


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "there are no sentences in .*f.props"),
        ("\n \n", "there are no sentences in .*f.props"),
        (b"a -\n\xe9 -\n", r"f\.props:2: not UTF-8"),
        ("a - \nb -\n\nc x (V*)\nd\n", r"f\.props:5: 1 columns; expected 3, as in line 4"),
        ("a\nb\n", r"f\.props:1: 1 columns; expected 2 or more"),
        ("a x (V*)\nb - * *\n", r"f\.props:2: 4 columns; expected 3, as in line 1"),
        ("\na x (V*)\nb y *\n", r"f\.props:2: a sentence of 2 predicates \(column 1, from 0, is not '-'\) and 1 columns of arguments"),
        ("a - *\n", r"f\.props:1: a sentence of 0 predicates .* and 1 columns of arguments; expected one for each"),
        ("a x (V*)\nb - *)\n", r"f\.props:2: column 2: '\*\)' closes an argument, which is not open"),
        ("a x (V*)\nb - (A1*\nc - *A0)\n", r"f\.props:3: column 2: '\*A0\)' closes A0, which is not open"),
        ("a x (V*)\nb - (A1*\nc - *\n", r"f\.props:2: column 2: A1 is not closed at the end of the sentence"),
        ("a x (V*\nb - (A1*)\nc - *)\n", r"f\.props:2: column 2: A1 begins within V of line 1; arguments of one predicate share no word"),
        ("a x (V(A1*))\n", r"f\.props:1: column 2: A1 begins within V of line 1"),
        ("a x (V*)\nb - A1\n", r"f\.props:2: column 2 is 'A1'; expected \"\*\", \"\(ROLE\*\", \"\*\)\" or \"\(ROLE\*\)\""),
    ],
)
def test_bad_columns_are_told_by_file_and_line(write, content, words):
    with pytest.raises(ValueError, match=words):
        read_propbank(write("f.props", content))


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ({"predicate": 2}, r"f\.jsonl:2: predicate 2 is out of the sentence, whose words are 0 to 1"),
        ({"args": [["A0", 1, 2]]}, r"f\.jsonl:2: the predicate at word 0 has the argument \('A0', 1, 2\), which is out of the sentence"),
        ({"args": [["A0", 0, 1], ["V", 1, 1]]}, r"f\.jsonl:2: the predicate at word 0 has A0 and V at word 1; .* share no word"),
        ({"args": [["A0", 0]]}, r"f\.jsonl:2: the predicate at word 0 has the argument \['A0', 0\]; expected"),
        ({"args": {}}, r"f\.jsonl:2: args {} is not a list"),
        ({"sense": 1}, r"f\.jsonl:2: the predicate at word 0 has lemma 'x' and sense 1; expected str"),
    ],
)
def test_bad_frames_of_json_are_told_by_file_and_line(write, frame, words):
    frame = {"predicate": 0, "lemma": "x", "sense": "x.01", "args": []} | frame
    lines = [{"tokens": ["a"], "frames": []}, {"tokens": ["a", "b"], "frames": [frame]}]
    with pytest.raises(ValueError, match=words):
        read_propbank(write("f.jsonl", "\n".join(map(json.dumps, lines))))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"tokens": ["a"], "frames": [{"predicate": 0}]}', r"f\.jsonl:1: frame {'predicate': 0} is not an object with predicate, lemma"),
        ('{"tokens": ["a"], "frames": [[]]}', r"f\.jsonl:1: frame \[\] is not an object"),
        ('{"tokens": [], "frames": []}', r"f\.jsonl:1: words=\[\] is not a list of words"),
        ('{"tokens": "a b", "frames": []}', r"f\.jsonl:1: tokens and frames are str and list; expected lists"),
        ('{"tokens": ["\\ud800"], "frames": []}', r"f\.jsonl:1: column 'tokens' has no UTF-8"),
        ('{"tokens": ["a"]}', r"f\.jsonl:1: no column 'frames'; the line has tokens"),
        ("{", r"f\.jsonl:1: not JSON"),
        ("", r"there are no examples in .*f\.jsonl"),
    ],
)
def test_bad_json_is_told_by_file_and_line(write, line, words):
    with pytest.raises(ValueError, match=words):
        read_propbank(write("f.jsonl", line))


def test_props_and_words_of_other_sentences_are_told(write):
    props = write("f.props", "-\n-\n\n-\n")
    for content, words in (
        ("a\nb\n\nc\nd\n", r"f\.words:4: a sentence of 2 words, where the props have one of 1 \(line 4\)"),
        ("a\nb\n", r"f\.words: a sentence of 0 words, where the props have one of 1 \(line 4\)"),
        ("a\nb\n\nc\n\nd\n", r"f\.words:6: a sentence of 1 words, where the props have one of 0$"),
    ):
        with pytest.raises(ValueError, match=words):
            read_propbank(props, words=write("f.words", content))


def test_formats_that_are_not_told_are_asked_for(write):
    with pytest.raises(ValueError, match=r"f\.txt: the ending is none of .* say what the file holds by format='conll2005', 'conll2012'"):
        read_propbank(write("f.txt", COLUMNS_2005))
    with pytest.raises(ValueError, match="format='xml' is none of conll2005, conll2012, propbank, jsonl"):
        read_propbank(write("f.txt", COLUMNS_2005), format="xml")
    with pytest.raises(ValueError, match=r'f\.conll:1: 4 columns in a sentence of 0 predicates; .* 12, .* 8\. Say format="conll2005"'):
        read_propbank(write("f.conll", COLUMNS_2005))
    for options in ({"words": "f.words"}, {"predicate_column": 1}):
        with pytest.raises(ValueError, match=r'words= and predicate_column= are of format="conll2005", and the file is jsonl'):
            read_propbank(write("f.jsonl", "{}"), **options)
    with pytest.raises(ValueError, match="words= goes with one file, and source is a list"):
        read_propbank(["a.props"], words="a.words")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.props"):
        read_propbank("nowhere.props")
