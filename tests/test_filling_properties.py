"""Whatever happens, in whatever order: the person stands somewhere valid, and only what they sent is stored."""

from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.draft import Filling
from handlers.filling import step
from handlers.messages import Choice, Event, Message, Move, Said, Sent, Tapped, as_text
from handlers.screens import show
from tests.filling import FORMS, started

LONGEST = 3_500  # characters of a message: Telegram takes 4,096, with its choices written out

NAMES = sorted(
    {q.id for form in FORMS.values() for section in form.sections for q in section.questions}
    | {
        "next",
        "back",
        "later",
        "skip",
        "clear",
        "rewrite",
        "review",
        "confirm",
        "submit",
        "right",
        "fix",
        "header",
        "continue",
    }
)
taps = st.builds(
    "{}.{}{}".format,
    st.sampled_from(["12", "12", "12", "13", ""]),
    st.sampled_from(NAMES),
    st.sampled_from(["", "=", "=1", "=2", "=yes", "=no", "=good", "=excellent", "=a1_1", "=header", "=99"]),
)
words = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "1",
            "0",
            "28,5",
            "5/11/1979",
            "có",
            "Tiếp",
            "Quay lại",
            "Bỏ qua",
            "Xóa và bỏ qua",
            "Nộp",
            "1,3",
            "Việc đã làm",
        ]
    ),
    st.integers(1, 21_000).map(lambda length: "một hai ba " * (length // 11 + 1)),
)
events: st.SearchStrategy[Event | int] = st.one_of(
    st.integers(0, 5),  # the button at that place of what is on offer
    words.map(Said),
    taps.map(Tapped),
    st.sampled_from(["photo", "voice", "sticker", "edited", "file", "other"]).map(Sent),
)


def buttons(message: Message) -> list[Choice | Move]:
    """Everything that is on offer, choices first."""
    return [*message.choices, *message.moves]


def event_of(drawn: Event | int, message: Message) -> Event:
    """A drawn number is the button at that place."""
    if not isinstance(drawn, int):
        return drawn
    offered = buttons(message)
    return Tapped(offered[drawn % len(offered)].value) if offered else Said("?")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(FORMS)), st.lists(events, max_size=25))
def test_any_events_leave_the_person_somewhere_valid(form: str, drawn: list[Event | int]) -> None:
    filling = started(form)
    message = show(filling)
    sent: set[str] = set()
    for each in drawn:
        event = event_of(each, message)
        if isinstance(event, Said):
            sent.add(event.text)
        before = filling
        filling, message = step(before, event)
        assert filling.settled() == filling
        assert message.text
        assert len(as_text(message)) <= LONGEST
        assert bool(message.moves) == (filling.place != "submitted")
        assert len({button.value for button in buttons(message)}) == len(buttons(message))
        assert all(len(button.value.encode()) <= 64 for button in buttons(message))
        assert filling.revision == before.revision + bool(filling.writes)
        for write in filling.writes:
            question = filling.form.question(write.question)
            assert question is not None
            if question.kind == "text":
                assert write.words in sent | {""}
            assert len(filling.answers[write.question]) <= question.longest


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(FORMS)), st.lists(events, max_size=20), st.integers(0, 9))
def test_every_button_on_offer_is_taken_and_typing_it_is_the_same(
    form: str, drawn: list[Event | int], which: int
) -> None:
    filling = started(form)
    message = show(filling)
    for each in drawn:
        filling, message = step(filling, event_of(each, message))
    offered = buttons(show(filling))
    if not offered:
        return
    button = offered[which % len(offered)]
    tapped = step(filling, Tapped(button.value))
    assert (tapped[0].place, tapped[1]) != (filling.place, show(filling))
    assert step(filling, Said(button.label)) == tapped
    if isinstance(button, Choice):
        assert step(filling, Said(str(offered.index(button) + 1))) == tapped


ANSWERS = {"number": "28,5", "date": "5/11/2025", "line": "Sở A", "text": "Việc đã làm, 12 lần"}


def answered(filling: Filling) -> Filling:
    """The place after an answer in words, where one is asked for."""
    question = filling.question or filling.field
    typed = ANSWERS.get(question.kind) if question and not filling.answers.get(question.id) else None
    return step(filling, Said(typed))[0] if typed else filling


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(FORMS)), st.lists(events, max_size=12))
def test_from_anywhere_answering_and_the_first_button_lead_to_submitting(form: str, drawn: list[Event | int]) -> None:
    filling = started(form)
    message = show(filling)
    for each in drawn:
        filling, message = step(filling, event_of(each, message))
    for _ in range(200):
        if filling.place == "submitted":
            break
        filling = answered(filling)
        first = buttons(show(filling))[0]
        if filling.question and filling.question.kind == "choices" and filling.answers.get(filling.question.id):
            first = show(filling).moves[0]
        filling, message = step(filling, Tapped(first.value))
    assert filling.place == "submitted"


@settings(max_examples=60, deadline=None)
@given(st.lists(events, max_size=25))
def test_what_the_steps_wrote_adds_up_to_the_answers(drawn: list[Event | int]) -> None:
    filling = started("self_review_en")
    message = show(filling)
    stored: dict[str, str] = {}
    for each in drawn:
        filling, message = step(filling, event_of(each, message))
        for question, piece, starts in filling.writes:  # as the database joins them
            stored[question] = piece if starts or not stored.get(question) else f"{stored[question]}\n\n{piece}"
    assert stored == filling.answers
