"""Makes decoding.json: what Hugging Face's tokenizers decode ids to.

    python3 -m venv venv && venv/bin/pip install tokenizers==0.23.3
    venv/bin/python assets/goldens/make_decoding.py

Each golden has the text of a tokenizer.json, and ids with the text that `decode`
gives for all of them, special tokens included. tests/text.rs reads the file, and
decodes the ids as a whole, one by one, and behind each beginning of them.
"""

import json
import os
import random

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

TEXTS = [
    "the cat sun",
    "The queen said: it's late, isn't it?",
    "the cat's hat, the sun  and the   moon",
    "naïve café, 日本語 and 👍🏽 e\u0301!",
    "日本語",
    "a\nb\n\n the end.",
]
TRAINING = TEXTS[:3] * 20 + ["naïve café"] * 5
RNG = random.Random(7)
GOLDENS = []


def golden(name, tokenizer, shuffled=True, cut=True):
    """Ids of texts; `cut`: also without their end; `shuffled`: also any ids at all."""
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
    if cut:
        ids += [some[:-k] for some in ids for k in (1, 2) if len(some) > k]
    if shuffled:
        size = tokenizer.get_vocab_size()
        ids += [[RNG.randrange(size) for _ in range(n)] for n in (1, 3, 10, 30, 200) for _ in range(4)]
    seen, cases = set(), []
    for some in ids:
        if some and tuple(some) not in seen:
            seen.add(tuple(some))
            cases.append(dict(ids=some, text=tokenizer.decode(some, skip_special_tokens=False)))
    GOLDENS.append(dict(name=name, tokenizer=tokenizer.to_str(), cases=cases))


def trained(model, trainer, pre_tokenizer, decoder=None):
    t = Tokenizer(model)
    t.pre_tokenizer = pre_tokenizer
    if decoder is not None:
        t.decoder = decoder
    t.train_from_iterator(TRAINING, trainer)
    return t


def byte_level(decoder):
    trainer = trainers.BpeTrainer(
        vocab_size=290, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    return trained(models.BPE(), trainer, pre_tokenizers.ByteLevel(add_prefix_space=False), decoder)


golden("byte-level BPE", byte_level(decoders.ByteLevel()))
golden("byte-level BPE, decoders in a row", byte_level(decoders.Sequence([decoders.ByteLevel(), decoders.Fuse()])))

golden(
    "WordPiece",
    trained(
        models.WordPiece(unk_token="[UNK]"),
        trainers.WordPieceTrainer(vocab_size=70, special_tokens=["[UNK]", "[CLS]"], show_progress=False),
        pre_tokenizers.BertPreTokenizer(),
        decoders.WordPiece(),
    ),
)
golden(
    "WordLevel",
    trained(
        models.WordLevel(unk_token="[UNK]"),
        trainers.WordLevelTrainer(special_tokens=["[UNK]"], show_progress=False),
        pre_tokenizers.Whitespace(),
    ),
)
golden(
    "Unigram",
    trained(
        models.Unigram(),
        trainers.UnigramTrainer(vocab_size=60, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False),
        pre_tokenizers.Metaspace(),
        decoders.Metaspace(),
    ),
)
golden(
    "BPE, Metaspace",
    trained(
        models.BPE(unk_token="<unk>"),
        trainers.BpeTrainer(vocab_size=70, special_tokens=["<unk>"], show_progress=False),
        pre_tokenizers.Metaspace(),
        decoders.Metaspace(),
    ),
)
golden(
    "BPE, suffix",
    trained(
        models.BPE(unk_token="<unk>"),
        trainers.BpeTrainer(
            vocab_size=80, special_tokens=["<unk>"], end_of_word_suffix="</w>", show_progress=False
        ),
        pre_tokenizers.Whitespace(),
        decoders.BPEDecoder(suffix="</w>"),
    ),
)

# As LLaMA's: blanks are characters, and what is no token is bytes.
words = {"<unk>": 0, **{f"<0x{b:02X}>": 1 + b for b in range(256)}}
for piece in ["▁", *"thecatsunqid", "th", "the", "▁the", "ca", "cat", "▁cat", "su", "sun", "▁sun", "▁▁", "!"]:
    words.setdefault(piece, len(words))
merges = [("t", "h"), ("th", "e"), ("▁", "the"), ("c", "a"), ("ca", "t"), ("▁", "cat"), ("s", "u"), ("su", "n")]
merges += [("▁", "sun"), ("▁", "▁")]
llama = Tokenizer(models.BPE(words, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
llama.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
llama.decoder = decoders.Sequence(
    [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
)
# Bytes that are no text decode otherwise as soon as they are known not to be.
golden("BPE, byte fallback", llama, shuffled=False, cut=False)

letters = {"<pad>": 0, "|": 1, **{c: 2 + i for i, c in enumerate("abcdeh'st")}}
ctc = Tokenizer(models.WordLevel(letters, unk_token="<pad>"))
ctc.pre_tokenizer = pre_tokenizers.Split("", "isolated")
ctc.decoder = decoders.CTC(pad_token="<pad>", word_delimiter_token="|", cleanup=False)
golden("CTC", ctc)

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "decoding.json")
with open(path, "w", encoding="utf-8") as file:
    json.dump(GOLDENS, file, ensure_ascii=False)
    file.write("\n")
print(f"{path}: {len(GOLDENS)} tokenizers, {sum(len(g['cases']) for g in GOLDENS)} cases")
