"""Joining: a code and a birth date bind this chat to a person, who then reads and answers the consent text.

Nothing said here tells whether a code exists or who is on the roster: an unknown code is asked for its birth date too.
"""

from dataclasses import replace

from handlers import fill, menu
from handlers.calendar import next_reminder
from handlers.cycles import Cycle
from handlers.messages import Choice, Message, Move, Said, Tapped, dumps, heard
from handlers.texts import say
from handlers.turn import Turn
from handlers.words import a_date
from storage import addresses, assessments, attempts, audit, consents, enrolments, invitations, outbox, people, units
from storage.addresses import Address
from storage.database import Db
from storage.models import EXEMPT, NOTICE
from storage.people import Person

CODE, BIRTH, LEAVE, CONSENT = "join", "join/birth", "join/leave", "join/consent"
WEB = "web"  # its link may be opened again, and its chats are one person's each


def handle(turn: Turn) -> list[Message]:
    """One step of joining."""
    match heard(show(turn), turn.event):
        case Tapped("join.accept" | "join.decline" as said) if turn.address.place == CONSENT:
            return [decided(turn, given=said == "join.accept")]
        case Tapped("join.consent"):
            return [ask_consent(turn)]
        case Tapped("join.stay") if turn.address.place in (LEAVE, BIRTH):
            return [show(_go(turn, "" if turn.person else CODE))]
        case Tapped(value) if value.startswith("join.not_me="):
            return [not_me(turn, value.partition("=")[2])]
        case Said(text) if code := invitations.code_in(text.removeprefix("/start")):
            return [code_given(turn, code)]
        case Said(text) if turn.address.place == LEAVE:
            return [leaver_confirms(turn, text)]
        case Said(text) if turn.address.place == BIRTH:
            return [birth_given(turn, text)]
        case Said(text) if turn.address.place == CODE and not text.startswith("/"):
            return [show(turn).after(say(turn.lang, "join.no_code"))]
        case _ if turn.person is None and not turn.address.place:  # the first words ever
            return [show(_go(turn, CODE))]
        case _ if (
            turn.person
            and turn.address.place not in (LEAVE, BIRTH)
            and must_consent(turn.db, turn.person.id, _open(turn))
        ):
            return [ask_consent(turn)]  # on the way to something that needs it
        case _:  # an old button, a sticker
            return [show(turn)]


def show(turn: Turn) -> Message:
    """What this chat is asked for now."""
    cycle = _open(turn)
    match turn.address.place:
        case "join/birth" if turn.person:
            return Message(say(turn.lang, "join.birth_of_comer"), moves=_stay(turn))
        case "join/birth":
            return Message(say(turn.lang, "join.birth"))
        case "join/leave" if turn.person:
            initials = " ".join(f"{part[0]}." for part in turn.person.name.split())
            return Message(say(turn.lang, "join.leave", initials=initials), moves=_stay(turn))
        case "join/consent" if turn.person and cycle:
            return Message(
                cycle.consent.text,
                (
                    Choice("join.accept", say(turn.lang, "join.accept")),
                    Choice("join.decline", say(turn.lang, "join.decline")),
                ),
            )
        case _ if turn.person:
            return menu.show(turn).after(say(turn.lang, "join.linked", name=turn.person.name))
        case _:
            return Message(say(turn.lang, "join.code"))


# ---------------------------------------------------------------- binding


def code_given(turn: Turn, code: str) -> Message:
    """A code was typed, or came with a link."""
    code_hash = invitations.hashed(turn.db, code)
    if attempts.exhausted(turn.db, turn.address.id, code_hash, turn.now):
        return _too_often(turn)
    if turn.person is None:
        return show(_go(turn, BIRTH, code_hash))
    invitation = invitations.by_hash(turn.db, code_hash)
    if invitation and invitation.person_id == turn.person.id:
        return show(_go(turn, "") if turn.address.place in (LEAVE, BIRTH) else turn)
    if turn.address.channel == WEB:
        return _menu(turn, say(turn.lang, "join.web_is_personal"))
    return show(_go(turn, LEAVE, code_hash))


def leaver_confirms(turn: Turn, text: str) -> Message:
    """Whose chat it was says the own birth date before another person takes it over."""
    code_hash = turn.address.memory.get("code", "")
    if turn.person is None:
        return show(_go(turn, CODE))
    if attempts.exhausted(turn.db, turn.address.id, code_hash, turn.now):
        return _too_often(turn)
    day = a_date(text)
    if day is None:
        return show(turn).after(say(turn.lang, "join.no_date"))
    if day != turn.person.birth_date:
        return _wrong(turn, code_hash)
    return show(_go(turn, BIRTH, code_hash, left=turn.person.id))


def birth_given(turn: Turn, text: str) -> Message:
    """The second factor: right code and right date bind this chat, anything else is one and the same mistake."""
    code_hash = turn.address.memory.get("code", "")
    if turn.person and turn.address.memory.get("left") != turn.person.id:
        return show(_go(turn, LEAVE, code_hash))
    if attempts.exhausted(turn.db, turn.address.id, code_hash, turn.now):
        return _too_often(turn)
    day = a_date(text)
    if day is None:
        return show(turn).after(say(turn.lang, "join.no_date"))
    web, in_season = turn.address.channel == WEB, _open(turn) is not None
    invitation = invitations.by_hash(turn.db, code_hash)
    person = people.by_id(turn.db, invitation.person_id) if invitation else None
    if (
        invitation is None
        or person is None
        or not invitation.opens(web=web, now=turn.now, in_season=in_season)
        or person.birth_date != day
        or not invitations.use(turn.db, invitation, web=web, now=turn.now)
    ):
        return _wrong(turn, code_hash)
    return bound(turn, person)


def bound(turn: Turn, person: Person) -> Message:
    """This chat is *person*'s from now on. A draft stays with its person, whoever held the chat before."""
    db, address = turn.db, turn.address
    if turn.person:
        outbox.cut_off(db, address.id, "moved")
        audit.record(
            db, "address.left", turn.now, actor_id=turn.person.id, person_id=turn.person.id, address_id=address.id
        )
        _tell_others(turn, turn.person, "join.left_elsewhere")
    addresses.bind(db, address.id, person.id, turn.now)
    audit.record(db, "address.bound", turn.now, actor_id=person.id, person_id=person.id, address_id=address.id)
    _tell_others(turn, person, "join.bound_elsewhere", undo=address)
    unit = units.by_id(db, person.unit_id)
    welcome = say(turn.lang, "join.welcome", name=person.name, unit=unit.name if unit else "")
    there = replace(address, person_id=person.id, closed=None, place="", memory={})
    after = replace(turn, person=person, address=there)
    if must_consent(db, person.id, _open(turn)):
        return ask_consent(after).after(welcome)
    return led_on(after, welcome)


def not_me(turn: Turn, of: str) -> Message:
    """The owner ends an address that somebody else opened, and every invitation that may have leaked."""
    strange = addresses.by_id(turn.db, int(of)) if of.isascii() and of.isdigit() and len(of) < 10 else None
    if turn.person is None:
        return show(turn)
    if strange is None or strange.person_id != turn.person.id or strange.id == turn.address.id:
        return _menu(turn, say(turn.lang, "join.not_linked"))
    addresses.release(turn.db, strange.id, "ended")
    outbox.cut_off(turn.db, strange.id, "ended")
    invitations.revoke(turn.db, [turn.person.id], turn.now)
    audit.record(
        turn.db,
        "address.ended",
        turn.now,
        actor_id=turn.person.id,
        person_id=turn.person.id,
        address_id=strange.id,
    )
    return _menu(turn, say(turn.lang, "join.ended"))


# ---------------------------------------------------------------- consent


def consented(db: Db, person_id: int, cycle: Cycle) -> bool | None:
    """What a person said to the consent text in its present version; None where it was not asked yet."""
    return consents.newest(db, person_id, cycle.id, cycle.consent.version)


def must_consent(db: Db, person_id: int, cycle: Cycle | None) -> bool:
    """Whether the consent text comes before anything else: of those who are reviewed and have not said yes."""
    if cycle is None or consented(db, person_id, cycle):
        return False
    assessment = assessments.of(db, person_id, cycle.id)
    return assessment is not None and assessment.state != EXEMPT


def ask_consent(turn: Turn) -> Message:
    """The consent text of the open cycle, and what may be answered to it. Nothing is chosen beforehand."""
    if _open(turn) is None:
        return _menu(turn, say(turn.lang, "join.no_season"))
    return show(_go(turn, CONSENT))


def decided(turn: Turn, *, given: bool) -> Message:
    """Yes leads on; no is counted apart, is told about the paper form, and may become a yes later."""
    cycle = _open(turn)
    if cycle is None or turn.person is None:
        return show(turn)
    consents.record(
        turn.db,
        turn.person.id,
        cycle.id,
        cycle.consent.version,
        given=given,
        address_id=turn.address.id,
        now=turn.now,
    )
    if given:
        at = next_reminder(cycle, reminded=0, reminded_at=None, snoozed_until=None, after=turn.now)
        enrolments.off_paper(turn.db, turn.person.id, cycle.id, at)
        return led_on(_go(turn, ""), say(turn.lang, "join.accepted"))
    enrolments.on_paper(turn.db, turn.person.id, cycle.id)
    declined = _menu(turn, say(turn.lang, "join.declined"))
    return replace(declined, moves=(Move("join.consent", say(turn.lang, "join.reconsider")), *declined.moves))


def led_on(turn: Turn, text: str) -> Message:
    """Straight into the form for who has nothing else to do here; the menu for who leads a cell or oversees some."""
    if (turn.person and turn.person.roles) or _open(turn) is None:
        return menu.show(turn).after(text)
    return fill.handle(turn.with_event(Tapped("fill.open")))[0].after(text)


# ---------------------------------------------------------------- small parts


def _open(turn: Turn) -> Cycle | None:
    return turn.cycle if turn.cycle and not turn.cycle.closed else None


def _go(turn: Turn, place: str, code_hash: str = "", **ids: int) -> Turn:
    """Move this chat on; the turn as it stands then."""
    memory = {"code": code_hash, **ids} if code_hash else {}
    addresses.go(turn.db, turn.address.id, place, memory)
    return replace(turn, address=replace(turn.address, place=place, memory=memory))


def _menu(turn: Turn, text: str) -> Message:
    return Message(text, moves=(Move("menu.open", say(turn.lang, "join.menu")),))


def _stay(turn: Turn) -> tuple[Move, ...]:
    return (Move("join.stay", say(turn.lang, "join.stay")),)


def _wrong(turn: Turn, code_hash: str) -> Message:
    attempts.failed(turn.db, turn.address.id, code_hash, turn.now)
    return show(turn).after(say(turn.lang, "join.wrong"))


def _too_often(turn: Turn) -> Message:
    return Message(say(turn.lang, "join.too_often"), moves=_stay(turn) if turn.person else ())


def _tell_others(turn: Turn, person: Person, key: str, undo: Address | None = None) -> None:
    """A notice at the person's other addresses; with *undo*: and a way to end that address."""
    lang = person.lang or turn.lang
    moves = (Move(f"join.not_me={undo.id}", say(lang, "join.not_me")),) if undo else ()
    text = say(lang, key, channel=say(lang, f"join.on_{turn.address.channel}"))
    for other in addresses.of_person(turn.db, person.id):
        if other.id != turn.address.id:
            outbox.put(
                turn.db,
                key=f"{key}:{turn.key}:{other.id}",
                kind=NOTICE,
                address_id=other.id,
                person_id=person.id,
                now=turn.now,
                body=dumps(Message(text, moves=moves)),
            )
