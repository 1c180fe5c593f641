"""What cria knows is complete in both languages, consistent, and never asked in training as in the test."""

import random
import re
from collections import Counter
from itertools import islice

import pytest
from cria.data.knowledge import chat, common, fresh, puna, texts, thinking, unknown, unknown_words
from cria.data.knowledge.asking import ask
from cria.data.knowledge.capitals import capitals
from cria.data.knowledge.frames import CHATTER, FRAMES
from cria.data.knowledge.held_out import is_held_out, normal
from cria.data.knowledge.topics import LANGUAGES, Language, Topic, load, parse
from cria.data.knowledge.varying import vary
from cria.examples import Case, Example, Text

TOPICS = (*common.topics(), *capitals(), *puna.topics(), *chat.small_talk())
GENERATORS = {module.__name__.rpartition(".")[2]: module for module in (chat, common, puna, texts, thinking, unknown)}


def prompt_text(item: Example | Case) -> str:
    example = item.prompt if isinstance(item, Case) else item
    assert isinstance(example, Example)
    questions: list[str] = [message["content"] for message in example.messages if message["role"] == "user"]
    return questions[-1]


def test_enough_topics_are_known() -> None:
    assert len(common.topics()) >= 110
    assert len(puna.topics()) >= 40
    assert len(texts.POEMS) == 10


def test_topic_ids_are_unique() -> None:
    identifiers = [topic.id for topic in TOPICS]
    assert len(set(identifiers)) == len(identifiers)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.id)
@pytest.mark.parametrize("language", LANGUAGES)
def test_topic_is_complete(topic: Topic, language: Language) -> None:
    side = topic.side(language)
    assert len(side.questions) >= 5
    assert len(side.held_out) >= 2
    assert side.keys
    for answer in (side.answer, *side.answers):
        assert all(key in answer for key in side.keys), answer
        length = len(answer.split()) if language == "en" else len(answer)
        assert length <= (50 if language == "en" else 120)
    assert side.thought
    assert "\n" not in side.thought


def test_most_topics_are_asked_in_other_words_and_some_have_other_answers() -> None:
    assert sum(len(topic.en.otherwise) + len(topic.zh.otherwise) for topic in TOPICS) > 600
    answers = {topic.id: len(topic.en.answers) + len(topic.zh.answers) for topic in TOPICS if topic.en.answers}
    assert {"joke", "story", "spring-poem", "hello"} <= answers.keys()
    joke = next(topic for topic in TOPICS if topic.id == "joke").en
    assert {joke.any_answer(random.Random(seed)) for seed in range(60)} == {joke.answer, *joke.answers}


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.id)
def test_each_side_is_in_its_language(topic: Topic) -> None:
    chinese = re.compile("[\u4e00-\u9fff]")
    assert not chinese.search(topic.en.answer)
    assert chinese.search(topic.zh.answer)
    assert not any(chinese.search(question) for question in topic.en.questions + topic.en.held_out)


def test_no_wording_occurs_twice() -> None:
    wordings = [
        normal(wording)
        for topic in TOPICS
        for language in LANGUAGES
        for wording in set(map(normal, topic.side(language).questions + topic.side(language).held_out))
    ]
    doubled = {wording for wording in wordings if wordings.count(wording) > 1}
    languages_free = {normal(t.en.questions[0]) for t in TOPICS} & {normal(t.zh.questions[0]) for t in TOPICS}
    assert doubled <= languages_free


@pytest.mark.parametrize("name", GENERATORS)
def test_test_questions_are_not_in_training(name: str) -> None:
    module = GENERATORS[name]
    train = [item for item in islice(module.generate(random.Random(1), "train"), 4000) if isinstance(item, Example)]
    seen = {normal(message["content"]) for item in train for message in item.messages if message["role"] == "user"}
    cases = list(islice(module.generate(random.Random(2), "test"), 400))
    assert all(isinstance(case, Case) for case in cases)
    assert not seen & {normal(prompt_text(case)) for case in cases}


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.id)
def test_no_held_out_wording_is_asked_in_training(topic: Topic) -> None:
    rng = random.Random(topic.id)
    for language in LANGUAGES:
        side = topic.side(language)
        assert all(is_held_out(wording) for wording in side.held_out)
        assert not any(is_held_out(wording) for wording in side.questions)
        for _ in range(200):
            assert not is_held_out(ask(rng, side, language, "train")["content"])
            if topic in chat.small_talk():
                assert not is_held_out(chat.plain_turn(rng, topic, language, "train")["content"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_frames_of_test_are_not_in_training(language: Language) -> None:
    trained = {normal(frame) for frame in (*FRAMES[language]["train"], *CHATTER[language])}
    assert not trained & {normal(frame) for frame in FRAMES[language]["test"]}


@pytest.mark.parametrize("name", GENERATORS)
def test_generation_is_deterministic(name: str) -> None:
    module = GENERATORS[name]
    first, second = (list(islice(module.generate(random.Random(7), "train"), 50)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", ["common", "puna", "chat", "texts"])
def test_taught_answers_contain_what_the_test_expects(name: str) -> None:
    answers = {
        message["content"]
        for item in islice(GENERATORS[name].generate(random.Random(1), "train"), 12000)
        if isinstance(item, Example)
        for message in item.messages
        if message["role"] == "assistant"
    }
    for case in islice(GENERATORS[name].generate(random.Random(2), "test"), 100):
        assert isinstance(case, Case)
        assert any(all(key in answer for key in case.expected) for answer in answers)


def test_a_conversation_alternates_and_ends_with_an_answer() -> None:
    for item in islice(chat.generate(random.Random(3), "train"), 300):
        assert isinstance(item, Example)
        roles = [message["role"] for message in item.messages]
        assert roles == ["user", "assistant"] * (len(roles) // 2)


def test_thinking_examples_have_a_thought() -> None:
    for item in islice(thinking.generate(random.Random(3), "train"), 100):
        assert isinstance(item, Example)
        assert item.thinking
        assert item.messages[-1]["reasoning"]


def test_not_knowing_names_a_model_to_pull() -> None:
    for language in LANGUAGES:
        for family in unknown.FAMILIES:
            for answer in family.answers[language]:
                assert all(str(part) in answer for part in unknown.expected(language))


def test_unknown_words_of_test_are_not_in_training() -> None:
    for language in LANGUAGES:
        banks = unknown_words.BANKS[language]
        for key, words in banks["train"].items():
            assert not set(words) & set(banks["test"][key]), key
    for bank in (unknown_words.FIRST_NAMES, unknown_words.LAST_NAMES, unknown_words.ZH_SURNAMES):
        assert not set(bank["train"]) & set(bank["test"])


def test_unknown_questions_never_ask_what_is_known() -> None:
    known = {normal(q) for t in TOPICS for side in (t.en, t.zh) for q in side.questions + side.held_out}
    rng = random.Random(5)
    for _ in range(5000):
        for language in LANGUAGES:
            assert normal(unknown.unknown_question(rng, language, "train")[0]) not in known


def test_stories_fill_every_gap() -> None:
    rng = random.Random(1)
    for _ in range(200):
        for language in LANGUAGES:
            assert "{" not in texts.story(rng, language, "train")
    kinds = {item.kind for item in islice(texts.generate(rng, "train"), 200) if isinstance(item, Text)}
    assert kinds == {"text/classic", "text/en", "text/zh"}


def test_a_varied_wording_keeps_something_to_go_by() -> None:
    rng = random.Random(1)
    for topic in TOPICS:
        for language in LANGUAGES:
            for question in topic.side(language).questions:
                assert vary(rng, question, language).strip()


def test_a_bad_content_line_is_refused() -> None:
    with pytest.raises(ValueError, match="bad line"):
        parse("# x\neq why\n", "test")
    with pytest.raises(KeyError):
        parse("# x\neq: why || how\n", "test")
    assert load("geography")[0].id == "largest-planet"


def test_fresh_questions_cover_every_topic_and_are_never_for_training() -> None:
    found = fresh.wordings()
    counts = Counter((topic.id, language) for topic, language, _ in found)
    known = (*common.topics(), *puna.topics())
    missing = [(topic.id, language) for topic in known for language in LANGUAGES if not counts[topic.id, language]]
    assert len(missing) < 5
    assert len(found) > 700
    assert not list(fresh.generate(random.Random(1), "train"))
