"""Joining: a code and a birth date bind this chat to a person.

Nothing said here tells whether a code exists or who is on the roster: an unknown code is asked for its birth date too.
"""

from dataclasses import replace

from handlers import consent, menu
from handlers.messages import Message, Move, Said, Tapped, dumps, heard
from handlers.texts import say
from handlers.turn import Turn
from handlers.words import a_date, an_id
from storage import addresses, attempts, audit, invitations, outbox, people, units
from storage.addresses import Address
from storage.models import NOTICE
from storage.people import Person

NOBODY = 0
CODE, BIRTH, LEAVE = "join", "join/birth", "join/leave"
WEB = "web"  # its link may be opened again, and its chats are one person's each


def handle(turn: Turn) -> list[Message]:
    """One step of joining."""
    match heard(show(turn), turn.event):
        case Tapped("join.stay") if turn.person:
            return [menu.show(_go(turn, ""))]
        case Tapped(value) if value.startswith("join.not_me="):
            return [not_me(turn, value.partition("=")[2], sure=False)]
        case Tapped(value) if value.startswith("join.not_me_yes="):
            return [not_me(turn, value.partition("=")[2], sure=True)]
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
        case _ if turn.person and turn.address.place not in (LEAVE, BIRTH):  # an old button
            return [menu.show(turn)]
        case _:
            return [show(turn)]


def show(turn: Turn) -> Message:
    """What is asked for now: the code, or the birth date of whoever leaves this chat or comes to it."""
    match turn.address.place:
        case "join/birth" if turn.person:
            return Message(say(turn.lang, "join.birth_of_comer"), moves=_stay(turn))
        case "join/birth":
            return Message(say(turn.lang, "join.birth"))
        case "join/leave" if turn.person:
            initials = " ".join(f"{part[0]}." for part in turn.person.name.split())
            return Message(say(turn.lang, "join.leave", initials=initials), moves=_stay(turn))
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
        return menu.show(turn).after(say(turn.lang, "join.linked", name=turn.person.name))
    if turn.address.channel == WEB:
        return menu.show(turn).after(say(turn.lang, "join.web_is_personal"))
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
    web, in_season = turn.address.channel == WEB, turn.cycle is not None and not turn.cycle.closed
    invitation = invitations.by_hash(turn.db, code_hash)
    person = people.by_id(turn.db, invitation.person_id if invitation else NOBODY)  # looked for in any case: same time
    if (
        invitation is None
        or person is None
        or not invitation.opens(web=web, now=turn.now, in_season=in_season)
        or person.birth_date != day
    ):
        return _wrong(turn, code_hash)
    people.lock(turn.db, [person.id])  # they may be answering at another device: what is read from here on stays true
    if not invitations.use(turn.db, invitation, web=web, now=turn.now):
        return _wrong(turn, code_hash)
    return bound(turn, person)


def bound(turn: Turn, person: Person) -> Message:
    """This chat is *person*'s from now on. A draft stays with its person, whoever held the chat before."""
    db, address = turn.db, turn.address
    if turn.person:
        outbox.cut_off(db, address.id, "moved")
        _record(turn, "address.left", turn.person, address)
        _tell_others(turn, turn.person, "join.left_elsewhere")
    addresses.bind(db, address.id, person.id, turn.now)
    _record(turn, "address.bound", person, address)
    _tell_others(turn, person, "join.bound_elsewhere", undo=address)
    unit = units.by_id(db, person.unit_id)
    welcome = say(turn.lang, "join.welcome", name=person.name, unit=unit.name if unit else "")
    there = replace(address, person_id=person.id, closed=None, place="", memory={})
    after = replace(turn, person=person, address=there)
    return consent.lead_on(after, welcome)


def not_me(turn: Turn, of: str, *, sure: bool) -> Message:
    """The owner ends an address that somebody else opened, and every invitation that may have leaked; asked first.

    The place of this chat is left as it is: the notice came in between.
    """
    if turn.person is None:
        return show(turn)
    number = an_id(of)
    strange = None if number is None else addresses.by_id(turn.db, number)
    go_on = (Move("menu.open", say(turn.lang, "join.menu")),)
    if strange is None or strange.person_id != turn.person.id or not _came_later(turn, strange):
        return Message(say(turn.lang, "join.not_linked"), moves=go_on)
    if not sure:
        yes = Move(f"join.not_me_yes={strange.id}", say(turn.lang, "join.not_me_yes"))
        no = Move("menu.open", say(turn.lang, "join.not_me_no"))
        return Message(_on(turn.lang, "join.not_me_ask", strange), moves=(yes, no))
    addresses.release(turn.db, strange.id, "ended")
    outbox.cut_off(turn.db, strange.id, "ended")
    invitations.revoke(turn.db, [turn.person.id], turn.now)
    _record(turn, "address.ended", turn.person, strange)
    return Message(say(turn.lang, "join.ended"), moves=go_on)


# ---------------------------------------------------------------- small parts


def _go(turn: Turn, place: str, code_hash: str = "", **ids: int) -> Turn:
    """Move this chat on; the turn as it stands then."""
    memory = {"code": code_hash, **ids} if code_hash else {}
    addresses.go(turn.db, turn.address.id, place, memory)
    return replace(turn, address=replace(turn.address, place=place, memory=memory))


def _stay(turn: Turn) -> tuple[Move, ...]:
    return (Move("join.stay", say(turn.lang, "join.stay")),)


def _came_later(turn: Turn, strange: Address) -> bool:
    """Whether an address was opened after this one: a thief who came last must not shut the owner out."""
    newest = [audit.newest(turn.db, "address.bound", address.id) for address in (turn.address, strange)]
    return newest[0] < newest[1]


def _wrong(turn: Turn, code_hash: str) -> Message:
    attempts.failed(turn.db, turn.address.id, code_hash, turn.now)
    return show(turn).after(say(turn.lang, "join.wrong"))


def _too_often(turn: Turn) -> Message:
    return Message(say(turn.lang, "join.too_often"), moves=_stay(turn) if turn.person else ())


def _record(turn: Turn, action: str, person: Person, address: Address) -> None:
    """What people do with their own addresses goes into the record."""
    audit.record(turn.db, action, turn.now, actor_id=person.id, person_id=person.id, address_id=address.id)


def _tell_others(turn: Turn, person: Person, key: str, undo: Address | None = None) -> None:
    """A notice at the person's other addresses; with *undo*: and a way to end that address."""
    lang = person.lang or turn.lang
    moves = (Move(f"join.not_me={undo.id}", say(lang, "join.not_me")),) if undo else ()
    text = _on(lang, key, turn.address)
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


def _on(lang: str, key: str, address: Address) -> str:
    """A sentence that names the channel of an address."""
    return say(lang, key, channel=say(lang, f"join.on_{address.channel}"))
