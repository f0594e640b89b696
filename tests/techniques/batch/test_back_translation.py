"""Against a loop that asks a small model of `transformers`, text by text, for the likeliest next token."""

from pathlib import Path

import pytest
import torch

from wellposed.errors import BadInput
from wellposed.techniques import BackTranslation
from wellposed.techniques.batch.back_translation import translate_texts

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

WORDS = ("<pad>", "</s>", "<unk>", "ein", "two", "drei", "four", "five", "six")
TEXTS = ("ein two drei", " ", "four", "six six five ein two", "")


def save_model(folder: Path, seed: int) -> None:
    """A small T5 of drawn weights, whose output varies with its input, and a tokenizer of whole words."""
    rule = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: code for code, word in enumerate(WORDS)}, unk_token="<unk>")
    )
    rule.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=rule, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    fast.save_pretrained(folder)
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    config = transformers.T5Config(
        vocab_size=len(WORDS), decoder_start_token_id=0, tie_word_embeddings=False, initializer_factor=3.0, **sizes
    )
    torch.manual_seed(seed)
    transformers.T5ForConditionalGeneration(config).save_pretrained(folder)


def translate_slowly(text: str, folder: Path, longest: int) -> str:
    """The likeliest next token, again and again, without padding or a cache."""
    model = transformers.T5ForConditionalGeneration.from_pretrained(folder).eval()
    codes = torch.tensor([[WORDS.index(word) for word in text.split()]])
    said = [0]
    with torch.no_grad():
        while len(said) <= longest and said[-1] != 1:
            said.append(int(model(input_ids=codes, decoder_input_ids=torch.tensor([said])).logits[0, -1].argmax()))
    return " ".join(WORDS[code] for code in said if code > 2)


def test_says_what_the_model_finds_likeliest(tmp_path: Path) -> None:
    save_model(tmp_path, 1)
    found = translate_texts(TEXTS, str(tmp_path), beams=1, at_once=2, longest=6)
    expected = [translate_slowly(text, tmp_path, 6) if text.strip() else text for text in TEXTS]
    assert found == expected
    assert len({text for text in found if text.strip()}) > 1


def test_goes_there_and_back(tmp_path: Path) -> None:
    for seed, name in enumerate(("there", "back")):
        save_model(tmp_path / name, seed + 1)
    technique = BackTranslation(forward=str(tmp_path / "there"), back=str(tmp_path / "back"), beams=2, longest=5)
    there = translate_texts(TEXTS, technique.forward, beams=2, longest=5)
    assert technique.texts(TEXTS) == translate_texts(there, technique.back, beams=2, longest=5)
    assert technique.texts(TEXTS) == technique.texts(TEXTS)


def test_folders_without_a_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"BackTranslation\.forward must be the folder of a translation model"):
        BackTranslation().texts(TEXTS)
    with pytest.raises(BadInput, match=r"BackTranslation\.back must be the folder"):
        BackTranslation(forward=str(tmp_path), back=str(tmp_path / "missing")).texts(TEXTS)
    with pytest.raises(BadInput, match="The place of a translation model must be a folder"):
        translate_texts(TEXTS, str(tmp_path / "missing"))
    with pytest.raises(BadInput, match="The place of a translation model must be a folder"):
        translate_texts(TEXTS, str(tmp_path))
