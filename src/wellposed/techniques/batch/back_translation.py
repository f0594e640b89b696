r"""Back-translation: another version of a text, by translating it into another language and back.

Two translation models of the library `transformers` are read from folders: nothing is downloaded. They decode without
drawing at random, so a text has one other version. Blank texts stay. What is longer than a model takes is cut off, so
it is for texts of some sentences. The models must translate without being told from what into what, as the Marian
models of OPUS-MT do, one a direction.

Good for classes that hang on meaning, with few texts; bad where wording is the answer, and as slow as two translations
of each text, once.

Source: Sennrich, Haddow and Birch, Improving neural machine translation models with monolingual data, 2016,
https://arxiv.org/abs/1511.06709, section 3; for classes: Xie et al., Unsupervised data augmentation for consistency
training, 2020, https://arxiv.org/abs/1904.12848, section 2.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from wellposed.checks import check_count, refusal
from wellposed.errors import BadInput
from wellposed.techniques.places import TextTechnique
from wellposed.techniques.technique import Technique


def translate_texts(
    texts: Sequence[str], folder: str, *, beams: int = 4, at_once: int = 16, longest: int = 256
) -> list[str]:
    """Texts in the language that the model in `folder` translates into; blank ones stay. Usable alone.

    Args:
        texts: The texts.
        folder: Where a sequence-to-sequence model of `transformers` and its tokenizer lie, as `save_pretrained` writes.
        beams: Of the beam search; 1 takes the likeliest token each time.
        at_once: Texts of one pass.
        longest: Tokens that are read and written of each text, at most.

    Raises:
        BadInput: The library is missing, or the folder does not hold such a model.
    """
    must = "be a folder with a translation model of transformers (as safetensors) and its tokenizer"
    if not Path(folder).is_dir():
        raise refusal("The place of a translation model", must, folder)
    try:
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
    except ImportError:
        raise BadInput('Back-translation needs transformers. Run: pip install "wellposed[text]".') from None
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModelForSeq2SeqLM.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
    except (OSError, ValueError, ImportError, KeyError) as error:  # a tokenizer may need a library of its own
        cause = " ".join(str(error).split())
        raise refusal("The place of a translation model", must, folder, f"Cause: {cause}") from None

    found = list(texts)
    written = sorted((i for i, text in enumerate(found) if text.strip()), key=lambda i: len(found[i]))
    for start in range(0, len(written), at_once):
        rows = written[start : start + at_once]
        asked = [found[i] for i in rows]
        tokens = tokenizer(asked, return_tensors="pt", padding=True, truncation=True, max_length=longest)
        with torch.inference_mode():
            inputs = {"input_ids": tokens["input_ids"], "attention_mask": tokens["attention_mask"]}
            codes = model.generate(**inputs, num_beams=beams, do_sample=False, max_new_tokens=longest)
        for i, text in zip(rows, tokenizer.batch_decode(codes, skip_special_tokens=True), strict=True):
            found[i] = text
    return found


@dataclass(frozen=True, kw_only=True)
class BackTranslation(TextTechnique):
    """Add to each training text its translation into another language and back. For texts only.

    Args:
        forward: Folder of a model that translates the texts into another language.
        back: Folder of a model that translates them back.
        beams: Of the beam search; 1 takes the likeliest token each time.
        at_once: Texts of one pass.
        longest: Tokens that are read and written of each text, at most.
    """

    forward: str = ""
    back: str = ""
    beams: int = 4
    at_once: int = 16
    longest: int = 256

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        for name in ("forward", "back"):
            if not isinstance(getattr(self, name), str):
                raise refusal(f"BackTranslation.{name}", "be the path of a folder", getattr(self, name))
        for name in ("beams", "at_once", "longest"):
            check_count(f"BackTranslation.{name}", getattr(self, name))

    def texts(self, texts: Sequence[str]) -> list[str]:
        for name, folder in {"forward": self.forward, "back": self.back}.items():
            if not folder or not Path(folder).is_dir():
                raise refusal(f"BackTranslation.{name}", "be the folder of a translation model", folder)
        there = translate_texts(texts, self.forward, beams=self.beams, at_once=self.at_once, longest=self.longest)
        return translate_texts(there, self.back, beams=self.beams, at_once=self.at_once, longest=self.longest)
