"""Files of groups and WordNet's own format, as its manual page wndb(5WN) writes it; tables against a search by hand."""

import os
from pathlib import Path

import pytest
import torch
from tests.techniques.batch.vocabulary import GROUPS, WORDS

from wellposed.errors import BadInput
from wellposed.techniques.batch.synonyms import read_synonyms, synonym_table, table_for

CPU = torch.device("cpu")
WORDNET = {
    "data.noun": (
        "  1 This software and database is being provided to you, the LICENSEE.\n"
        "02086723 05 n 03 dog 0 domestic_dog 0 Canis_familiaris 0 002 @ 02085998 n 0000 ~ 01325095 n 0000 | a dog  \n"
        "02090129 05 n 02 hound 0 Hound_dog 0 001 @ 02089500 n 0000 | any of several breeds of dog  \n"
        "10133978 18 n 02 frump 0 dog 0 001 @ 10788852 n 0000 | a dull unattractive girl  \n"
    ),
    "data.verb": "02005948 38 v 03 chase 0 Dog 2 tail 1 001 @ 01998432 v 0000 02 + 08 00 + 09 00 | go after  \n",
    "data.adj": "01382086 00 a 02 large(a) 0 big 0 001 ! 01391351 a 0101 | above average in size  \n",
    "data.adv": "",
}


def test_reads_a_group_a_line(tmp_path: Path) -> None:
    path = tmp_path / "synonyms.txt"
    path.write_text("\ufeff# sizes\nBig, large ,huge,big\n\nalone\nÉtÉ,summer\n", encoding="utf-8")
    assert read_synonyms(str(path)) == (("big", "large", "huge"), ("été", "summer"))


def test_reads_wordnet(tmp_path: Path) -> None:
    for name, text in WORDNET.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_synonyms(str(tmp_path)) == (("frump", "dog"), ("chase", "dog", "tail"), ("large", "big"))


def test_what_holds_no_synonyms_is_refused(tmp_path: Path) -> None:
    lonely, binary, damaged = tmp_path / "lonely.txt", tmp_path / "binary.txt", tmp_path / "dict"
    lonely.write_text("one\ntwo\n", encoding="utf-8")
    binary.write_bytes(b"\xff\xfe\x00big,\xe9")
    damaged.mkdir()
    for name in WORDNET:
        (damaged / name).write_text("02086723 05 n\n", encoding="utf-8")
    for path in (lonely, binary, damaged, tmp_path, tmp_path / "missing", "", "\0"):
        with pytest.raises(BadInput, match="The source of synonyms must be a file") as refused:
            read_synonyms(str(path))
        assert f"Got {str(path)!r}." in str(refused.value)


def test_the_table_holds_all_synonyms_known_but_no_stop_words() -> None:
    """ "the" is a stop word, "cur" is not known, and unknown words have no synonyms."""
    table = synonym_table(WORDS, GROUPS)
    found = {WORDS[code]: {WORDS[s] for s in row if s >= 0} for code, row in enumerate(table.tolist())}
    expected = {"big": {"large", "huge"}, "large": {"big", "huge"}, "huge": {"big", "large"}, "dog": {"hound"}}
    assert {word: own for word, own in found.items() if own} == expected | {"hound": {"dog"}}
    assert (table.shape, table.dtype) == ((len(WORDS), 2), torch.int64)


def test_words_of_two_spellings_have_the_same_synonyms() -> None:
    table = synonym_table(("", "?", "Dog", "dog", "hound"), GROUPS)
    assert table.tolist() == [[-1, -1], [-1, -1], [4, -1], [4, -1], [2, 3]]


def test_the_reserved_codes_are_no_words() -> None:
    assert (synonym_table(("dog", "hound"), GROUPS) == -1).all()
    assert synonym_table((), GROUPS).shape == (0, 1)


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "synonyms.txt"
    path.write_text("dog,hound\n", encoding="utf-8")
    first = table_for(str(path), WORDS, CPU)
    assert table_for(str(path), WORDS, CPU) is first
    path.write_text("big,huge\n", encoding="utf-8")
    os.utime(path, ns=(1, 1))
    assert not torch.equal(table_for(str(path), WORDS, CPU), first)


def test_synonyms_of_no_use_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "synonyms.txt"
    path.write_text("cat,tom\n", encoding="utf-8")
    with pytest.raises(BadInput, match="must hold two words of a group"):
        table_for(str(path), WORDS, CPU)
    with pytest.raises(BadInput, match="must be a file"):
        table_for(str(tmp_path / "missing"), WORDS, CPU)


def test_no_source_is_asked_for() -> None:
    with pytest.raises(BadInput, match=r"Got ''\. Name one in the technique's field 'synonyms'\.$"):
        read_synonyms("")
