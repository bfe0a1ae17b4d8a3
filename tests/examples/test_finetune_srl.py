"""examples/finetune_srl.py: what its figures are of."""

import finetune_srl

from keras_bert.data import Frame


def test_an_answer_of_raw_text_is_scored_in_the_words_of_the_data():
    def role(name, start, end):
        return {"role": name, "start": start, "end": end}

    # "Mr. Li does n't go", which a model reads as Mr | . | Li | does | n | ' | t | go.
    frames = [
        {"start": 16, "roles": [role("ARG0", 0, 6), role("ARGM-MOD", 7, 12), role("ARGM-NEG", 12, 15), role("V", 16, 18)]},
        {"start": 7, "roles": [role("V", 7, 11), role("ARG1", 12, 13), role("ARG2", 13, 15)]},
        {"start": 7, "roles": []},
    ]
    sentence = finetune_srl.in_words(["Mr.", "Li", "does", "n't", "go"], {"frames": frames})
    assert sentence.frames == (
        Frame(2, "", "", [("V", 2, 2), ("ARG1", 3, 3)]),  # of the two parts of "n't" the first; of the two frames at a word the first
        Frame(4, "", "", [("ARG0", 0, 1), ("ARGM-MOD", 2, 2), ("ARGM-NEG", 3, 3), ("V", 4, 4)]),
    )
