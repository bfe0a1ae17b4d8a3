"""Where sentences of English and Chinese text may end: what data.split_sentences and text.sentences share, which give the same.

Character classes are written out, as ranges: Python's `re` and TensorFlow's RE2 differ in what \\s is.
"""

WHITE_SPACE = "\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # of str.isspace
MARKS = ".!?…。！？｡"
CHINESE_MARKS = "。！？｡"
CLOSING = "\"'”’»」』）》〉】)\\]"
OPENING = "\"'“‘«([{¿¡-–—*_"  # a string of characters, and no class
MOST_OPENING = 20  # characters; behind a mark, a longer run of them is a ruler
HAN = "\u4e00-\u9fff"
# Where a sentence may end, with what still belongs to it. One class of characters first: `re` then looks for nothing else in between.
CANDIDATE = f"[\n{MARKS}][{MARKS}]*[{CLOSING}]*[{WHITE_SPACE}]*"
ABBREVIATIONS = {
    "mr", "mrs", "ms", "messrs", "mme", "dr", "prof", "st", "sr", "jr", "rev", "hon", "gen", "col", "lt", "capt", "sgt", "cmdr",
    "adm", "maj", "sen", "rep", "gov", "pres", "supt", "vs", "cf", "al", "ca", "viz", "figs", "eq", "eqs", "chap", "vols", "nos",
    "nr", "ed", "eds", "trans", "approx", "dept", "univ", "est", "inc", "ltd", "co", "corp", "bros", "op", "cit", "mt", "ft",
    "jan", "feb", "apr", "jul", "aug", "sep", "sept", "oct", "nov", "e.g", "i.e",
}  # fmt: skip
# These are words as well, or end sentences: only a number behind them makes them abbreviations.
BEFORE_NUMBERS = {"no", "fig", "art", "p", "pp", "sec", "ch", "vol", "mar", "jun", "dec"}
LONGEST = 1000  # characters; a longer "sentence" is a table, or text without punctuation, and its end would be cut off
CUTS = ("\n", CHINESE_MARKS[:3], " \t\u3000")  # behind what a text that is too long is cut, the best first
