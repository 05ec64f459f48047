"""Joining, told as conversations: a code and a birth date bind a chat, then comes consent."""

import pytest

from handlers.messages import Message, dumps
from handlers.texts import say
from storage import attempts, claims, invitations, outbox, people, stuck
from storage import models as m
from storage.database import Database
from tests.joining import AN, BINH, BIRTHS, START, Chat, World
from tests.statements import every_statement


def menu(name: str) -> str:
    """The menu of a person while no cycle is open."""
    return f"{say('vi', 'menu.greeting', name=name)}\n\n{say('vi', 'menu.nothing_open')}"


MENU, MENU_OF_BINH = menu("Nguyễn Văn Kiên"), menu("Nguyễn Ngọc Uyên")
LINKED = "Đã liên kết với đồng chí Nguyễn Văn Kiên, Chi bộ 1."
WELCOME = f"{LINKED}\n\n{MENU}"
WELCOME_BINH = f"Đã liên kết với đồng chí Nguyễn Ngọc Uyên, Chi bộ 1.\n\n{MENU_OF_BINH}"
CONSENT = "Đồng ý? (1)"
WRONG = f"{say('vi', 'join.wrong')}\n\n{say('vi', 'join.birth')}"


@pytest.fixture
def world(database: Database) -> World:
    """The sample roster, nobody joined, no cycle open."""
    return World(database)


@pytest.fixture
def season(database: Database) -> World:
    """The same with an open cycle."""
    made = World(database)
    made.open_cycle()
    return made


def test_a_stranger_is_asked_for_a_code_then_a_birth_date_and_is_bound(world: World) -> None:
    code, an = world.invite(AN), Chat(world)

    assert an.says("chào bot") == say("vi", "join.code")
    assert an.says("mã của tôi đâu?") == f"{say('vi', 'join.no_code')}\n\n{say('vi', 'join.code')}"
    assert an.says(code) == say("vi", "join.birth")
    assert an.says("hôm qua") == f"{say('vi', 'join.no_date')}\n\n{say('vi', 'join.birth')}"
    assert an.says("28-07-1973") == WELCOME
    assert an.person == AN
    assert world.rows(m.Audit.action, m.Audit.actor_id)[1:] == [("address.bound", 1)]


@pytest.mark.parametrize("typed", ["{0}", "{1}", " {1} ", "/start {0}", "/start {1}"])
def test_a_code_may_be_typed_in_any_way(sqlite: Database, typed: str) -> None:
    world = World(sqlite)
    code, an = world.invite(AN), Chat(world)
    an.says(typed.format(code, invitations.written(code)).lower())
    assert an.says("28 7 1973") == WELCOME


def test_the_person_reads_the_consent_text_before_anything_else(season: World) -> None:
    an = Chat(season)

    assert an.joins(season.invite(AN), BIRTHS[AN]) == f"{LINKED}\n\n{CONSENT}"
    assert [choice.label for choice in an.last.choices] == ["Đồng ý", "Không đồng ý"]
    assert an.says("để xem đã") == CONSENT
    assert an.says("đồng ý") == f"{say('vi', 'consent.accepted')}\n\n{an.taps('menu.open')}"
    assert season.rows(m.Consent.given, m.Consent.version, m.Consent.person_id) == [(True, "1", 1)]


def test_who_declines_is_told_about_paper_and_may_think_again(season: World) -> None:
    an = Chat(season)
    an.joins(season.invite(AN), BIRTHS[AN])

    assert an.says("2") == say("vi", "consent.declined")
    assert season.rows(m.Assessment.state)[0] == (m.PAPER,)
    assert an.taps("consent.show") == CONSENT
    assert an.says("1") == f"{say('vi', 'consent.accepted')}\n\n{an.taps('menu.open')}"
    assert season.rows(m.Assessment.state)[0] == (m.NOT_STARTED,)
    assert season.rows(m.Consent.given) == [(False,), (True,)]


def test_a_new_text_of_consent_is_asked_again(season: World) -> None:
    an = Chat(season)
    an.joins(season.invite(AN), BIRTHS[AN])
    an.taps("consent.accept")
    season.change_consent()

    assert an.taps("fill.open") == "Đồng ý? (2)"
    an.taps("consent.decline")
    assert season.rows(m.Consent.given, m.Consent.version) == [(True, "1"), (False, "2")]


def test_who_is_exempt_is_asked_for_no_consent(database: Database) -> None:
    world = World(database)
    world.open_cycle(exempt=AN)
    an = Chat(world)
    assert an.joins(world.invite(AN), BIRTHS[AN]) == f"{LINKED}\n\n{an.taps('menu.open')}"


def test_an_old_consent_button_changes_nothing_later(season: World) -> None:
    an = Chat(season)
    an.joins(season.invite(AN), BIRTHS[AN])
    an.taps("consent.accept")

    assert an.taps("consent.decline") == an.taps("menu.open")
    assert season.rows(m.Consent.given) == [(True,)]


def test_consent_waits_until_a_cycle_is_open(world: World) -> None:
    an = Chat(world)
    assert an.joins(world.invite(AN), BIRTHS[AN]) == WELCOME
    assert an.taps("consent.show") == MENU
    world.open_cycle()
    assert an.taps("fill.open") == CONSENT


def test_a_typed_code_binds_once(world: World) -> None:
    code = world.invite(AN)
    assert Chat(world).joins(code, BIRTHS[AN]) == WELCOME
    assert Chat(world).joins(code, BIRTHS[AN]) == WRONG


def test_a_web_link_opens_again_always_with_the_birth_date(season: World) -> None:
    code = season.invite(AN)
    assert Chat(season, "web").joins(code, BIRTHS[AN]) == f"{LINKED}\n\n{CONSENT}"
    season.forward(days=40)
    assert Chat(season, "web").joins(code, BIRTHS[BINH]) == WRONG
    greeting = say("vi", "menu.greeting", name="Nguyễn Văn Kiên")
    over = say("vi", "reminder.closed", closes="17:00 ngày 18/12/2026")
    closed = say("vi", "menu.closed_not_submitted", cycle="Kiểm điểm năm 2026", closed=over)
    assert Chat(season, "web").joins(code, BIRTHS[AN]) == f"{LINKED}\n\n{greeting}\n\n{closed}"
    assert Chat(season).joins(code, BIRTHS[AN]) == WRONG  # typed it has expired


def test_a_web_link_leaves_the_typed_code_unused(world: World) -> None:
    code = world.invite(AN)
    assert Chat(world, "web").joins(code, BIRTHS[AN]) == WELCOME
    assert Chat(world).joins(code, BIRTHS[AN]) == WELCOME


@pytest.mark.parametrize("channel", ["telegram", "web"])
def test_an_invitation_expires_and_can_be_revoked_and_replaced(database: Database, channel: str) -> None:
    world = World(database)
    expired = world.invite(AN)
    world.forward(days=30, seconds=1)
    assert Chat(world, channel).joins(expired, BIRTHS[AN]) == WRONG

    replaced, newest = world.invite(AN), world.invite(AN)
    assert Chat(world, channel).joins(replaced, BIRTHS[AN]) == WRONG
    with database.transaction() as db:
        person = people.by_code(db, AN)
        assert person is not None
        assert invitations.revoke(db, [person.id], world.now) == 1
    assert Chat(world, channel).joins(newest, BIRTHS[AN]) == WRONG
    assert Chat(world, channel).joins(world.invite(AN), BIRTHS[AN]) == WELCOME


def test_known_and_unknown_codes_are_answered_alike(world: World) -> None:
    known, unknown = world.invite(AN), "ABCDEFGHJK"
    transcripts = []
    for code in (known, unknown):
        someone = Chat(world)
        transcripts.append(
            [someone.says(code)] + [someone.says("1/1/1950") for _ in range(6)] + [Chat(world).says(code)]
        )
    assert transcripts[0] == transcripts[1]
    assert transcripts[0] == [say("vi", "join.birth"), *[WRONG] * 5, *[say("vi", "join.too_often")] * 2]


def test_known_and_unknown_codes_cost_the_database_the_same(sqlite: Database) -> None:
    world, costs = World(sqlite), []
    for code in (world.invite(AN), "ABCDEFGHJK"):
        someone = Chat(world)
        someone.says(code)
        with every_statement(sqlite) as ran:
            assert someone.says("1/1/1950") == WRONG
        costs.append([text for text, _ in ran])
    assert costs[0] == costs[1]


def test_only_a_keyed_hash_of_a_code_is_stored(world: World) -> None:
    code = world.invite(AN)
    ((stored,),) = world.rows(m.Invitation.code_hash)
    assert (len(stored), code in stored) == (64, False)
    world.database.engine = world.database.engine.execution_options(secret=b"another installation")
    assert Chat(world).joins(code, BIRTHS[AN]) == WRONG


def test_no_invitation_is_made_without_a_secret(sqlite: Database) -> None:
    with pytest.raises(ValueError, match="secret"), sqlite.transaction() as db:
        invitations.make(db, [1], START)


def test_a_second_device_is_told_to_the_first_which_may_end_it(world: World) -> None:
    phone, tablet, strange = Chat(world), Chat(world, "web"), Chat(world, "web")
    phone.joins(world.invite(AN), BIRTHS[AN])
    code = world.invite(AN)
    tablet.joins(code, BIRTHS[AN])
    strange.joins(code, BIRTHS[AN])

    assert [notice.text for notice in world.notices(phone)] == [
        "Tài khoản của đồng chí vừa được mở thêm trên trang web. "
        "Nếu không phải đồng chí, hãy bấm hoặc nhắn: Không phải tôi."
    ] * 2
    assert [len(world.notices(chat)) for chat in (tablet, strange)] == [1, 0]
    assert phone.taps(world.notices(phone)[1].moves[0].value) == (
        "Ngắt thiết bị vừa mở trên trang web và hủy mọi mã mời của đồng chí? Người đang dùng thiết bị đó sẽ không vào "
        "được nữa."
    )
    assert (phone.person, tablet.person, strange.person) == (AN, AN, AN)
    assert phone.taps(f"join.not_me_yes={strange.address.id}") == say("vi", "join.ended")
    assert (phone.person, tablet.person, strange.person) == (AN, AN, None)
    assert strange.says("chào") == f"{say('vi', 'join.no_code')}\n\n{say('vi', 'join.code')}"
    assert strange.joins(code, BIRTHS[AN]) == WRONG
    assert [action for (action,) in world.rows(m.Audit.action)][-1] == "address.ended"


@pytest.mark.parametrize(
    "value",
    [f"{name}={of}" for name in ("join.not_me", "join.not_me_yes") for of in ("{binh}", "{an}", "x", "9" * 30)],
)
def test_nobody_ends_anothers_address_or_the_own(sqlite: Database, value: str) -> None:
    world = World(sqlite)
    an, binh = Chat(world), Chat(world)
    an.joins(world.invite(AN), BIRTHS[AN])
    binh.joins(world.invite(BINH), BIRTHS[BINH])

    assert an.taps(value.format(an=an.address.id, binh=binh.address.id)) == say("vi", "join.not_linked")
    assert (an.person, binh.person) == (AN, BINH)


def test_a_chat_moves_to_another_person_when_both_confirm(world: World) -> None:
    shared, other = Chat(world), Chat(world)
    shared.joins(world.invite(AN), BIRTHS[AN])
    other.joins(world.invite(AN), BIRTHS[AN])
    leave = say("vi", "join.leave", initials="N. V. K.")

    assert shared.says(f"/start {world.invite(BINH)}") == leave
    assert shared.says(BIRTHS[BINH]) == f"{say('vi', 'join.wrong')}\n\n{leave}"
    assert shared.says(BIRTHS[AN]) == say("vi", "join.birth_of_comer")
    assert shared.person == AN
    assert shared.says(BIRTHS[BINH]) == WELCOME_BINH
    assert (shared.person, other.person) == (BINH, AN)
    assert world.rows(m.Audit.action, m.Audit.person_id)[-2:] == [("address.left", 1), ("address.bound", 2)]
    assert [notice.text for notice in world.notices(other)] == [
        "Một tài khoản của đồng chí trên Telegram vừa chuyển cho người khác, sau khi xác nhận "
        "ngày sinh của đồng chí. Nếu không phải đồng chí làm, xin báo ngay bí thư chi bộ."
    ]


def test_a_code_typed_at_the_menu_is_taken_for_what_it_is(world: World) -> None:
    an = Chat(world)
    an.joins(world.invite(AN), BIRTHS[AN])
    assert an.says(world.invite(BINH)) == say("vi", "join.leave", initials="N. V. K.")


def test_a_draft_goes_on_at_a_second_device_and_stays_when_the_chat_goes_to_another(season: World) -> None:
    member, birth = "KM-0087", "5/6/1975"
    phone, tablet = Chat(season), Chat(season, "web")
    phone.joins(season.invite(member), birth)
    phone.says("đồng ý")
    phone.says("Đã viết ba báo cáo.")
    phone.taps("fill.open")
    here = phone.last

    tablet.joins(season.invite(member), birth)
    tablet.taps("fill.open")
    assert tablet.last == here
    phone.joins(season.invite(BINH), birth)
    phone.says(BIRTHS[BINH])
    assert (phone.person, tablet.person) == (BINH, member)
    tablet.taps("fill.open")
    assert tablet.last == here
    phone.says("đồng ý")
    phone.taps("fill.open")
    assert "ba báo cáo" not in phone.last.text


def test_what_waits_for_who_left_is_not_told_to_who_came(world: World) -> None:
    shared = Chat(world)
    shared.joins(world.invite(AN), BIRTHS[AN])
    Chat(world).joins(world.invite(AN), BIRTHS[AN])
    assert len(world.notices(shared)) == 1

    shared.joins(world.invite(BINH), BIRTHS[AN])
    shared.says(BIRTHS[BINH])
    assert (shared.person, world.notices(shared)) == (BINH, [])


@pytest.mark.parametrize("state", [m.REFUSED, m.CLAIMED, m.UNSURE, m.SENT])
def test_words_for_who_left_are_never_sent_again_to_who_came(world: World, state: str) -> None:
    shared = Chat(world)
    shared.joins(world.invite(AN), BIRTHS[AN])
    words, there = dumps(Message("Điều riêng")), shared.address.id
    with world.database.transaction() as db:
        outbox.put(
            db, key="reply:a:0", kind=m.REPLY, address_id=there, now=world.now, body=words, state=state, claimed_by="1"
        )
    shared.joins(world.invite(BINH), BIRTHS[AN])
    shared.says(BIRTHS[BINH])
    with world.database.transaction() as db:
        claims.put_back(db, "reply:a:0", "1", world.now, counted=True, parts_sent=0)
        stuck.retry_refused(db, world.now)
        assert [row for row in claims.claim_replies(db, "2", ("telegram", ""), world.now)[0] if row.body] == []
        assert stuck.retry(db, "reply:a:0", world.now) in ("emptied", "over", "unsure")
    assert shared.person == BINH


def test_who_came_last_cannot_shut_the_owner_out(world: World) -> None:
    owner, thief = Chat(world), Chat(world)
    owner.joins(world.invite(AN), BIRTHS[AN])
    thief.joins(world.invite(AN), BIRTHS[AN])
    assert thief.taps(f"join.not_me_yes={owner.address.id}") == say("vi", "join.not_linked")
    assert owner.taps(f"join.not_me_yes={thief.address.id}") == say("vi", "join.ended")
    assert (owner.person, thief.person) == (AN, None)


def test_whoever_holds_the_chat_may_keep_it(world: World) -> None:
    an = Chat(world)
    an.joins(world.invite(AN), BIRTHS[AN])
    an.says(f"/start {world.invite(BINH)}")

    assert an.says("Giữ nguyên người đang dùng") == MENU
    assert an.person == AN


def test_a_bound_chat_hears_the_same_of_a_known_and_an_unknown_code(world: World) -> None:
    transcripts = []
    for code in (world.invite(BINH), "ABCDEFGHJK"):
        an = Chat(world)
        an.joins(world.invite(AN), BIRTHS[AN])
        transcripts.append([an.says(f"/start {code}"), an.says(BIRTHS[AN]), an.says("1/1/1950")])
        assert an.person == AN
    assert transcripts[0] == transcripts[1]


def test_a_web_chat_is_one_persons(world: World) -> None:
    an = Chat(world, "web")
    an.joins(world.invite(AN), BIRTHS[AN])
    assert an.says(f"/start {world.invite(BINH)}") == f"{say('vi', 'join.web_is_personal')}\n\n{MENU}"
    assert an.person == AN


def test_a_right_code_typed_after_a_wrong_one_starts_anew(world: World) -> None:
    an = Chat(world)
    an.joins("ABCDEFGHJK", "1/1/1950")
    assert an.joins(world.invite(AN), BIRTHS[AN]) == WELCOME


def test_five_wrong_tries_close_a_chat_for_an_hour(world: World) -> None:
    an = Chat(world)
    assert [an.joins(world.invite(AN), "1/1/1950") for _ in range(5)] == [WRONG] * 5
    assert an.joins(world.invite(AN), BIRTHS[AN]) == say("vi", "join.too_often")
    world.forward(hours=1)
    assert an.joins(world.invite(AN), BIRTHS[AN]) == WELCOME


def test_five_wrong_tries_close_an_invitation_for_an_hour_from_whichever_chat(world: World) -> None:
    code = world.invite(AN)
    assert [Chat(world).joins(code, "1/1/1950") for _ in range(5)] == [WRONG] * 5
    assert Chat(world).says(code) == say("vi", "join.too_often")
    assert Chat(world).joins(world.invite(BINH), BIRTHS[BINH]) == WELCOME_BINH
    world.forward(hours=1)
    assert Chat(world).joins(code, BIRTHS[AN]) == WELCOME


def test_two_hundred_wrong_tries_close_everything_for_an_hour(world: World) -> None:
    address = Chat(world).address
    with world.database.transaction() as db:
        for number in range(attempts.IN_ALL):
            attempts.failed(db, address.id, f"guess {number}", world.now)
    assert Chat(world).says(world.invite(AN)) == say("vi", "join.too_often")
    world.forward(hours=1)
    assert Chat(world).joins(world.invite(AN), BIRTHS[AN]) == WELCOME


def test_words_that_are_no_date_are_no_try(sqlite: Database) -> None:
    world = World(sqlite)
    an = Chat(world)
    an.says(world.invite(AN))
    for _ in range(9):
        an.says("ngày nào?")
    assert an.says(BIRTHS[AN]) == WELCOME
