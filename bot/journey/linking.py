"""Who is behind a chat: a single-use link, or a number that its owner shares, joins it to a customer or to staff.

    opened by a link       the customer or member of staff of that link, if no other chat was first
    a number is shared     whoever has this number; the provider vouches that it is the writer's own
    anybody else           a hint how to link, at most one a day: nobody learns who is known here
    left, came back        no message on this channel any more, and again

All of it happens in the transaction that reads the reply (replies.py), with the customer locked first.
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import timedelta

from sqlmodel import Session

from bot.channels.contract import SHARE_CONTACT, Refused
from bot.errors import NotFound
from bot.journey import refusals, wording
from bot.phones import normalise_phone
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import customers, inbound, links, messages, staff, trail
from bot.store.tables import CustomerRow, InboundRow, LinkRow, StaffRow
from flows.states import MessageState
from messages.catalog import Purpose

LASTS = timedelta(hours=24)
"""How long a link may be opened."""
TOLD_AGAIN = timedelta(hours=24)
"""How long a stranger who was told something is not told it again."""
Buttons = Sequence[Sequence[Sequence[str]]]
"""Rows of buttons, each a label and its data."""
_TOKEN_BYTES = 12
_SHARE = {"zh": "分享我的号码", "en": "Share my number"}


# ----- links


def make_link(runtime: Runtime, *, channel: str, customer_id: int = 0, staff_id: int = 0) -> str:
    """A token that joins the first chat which brings it, once and within LASTS, to this customer or member of staff.

    It has 96 random bits in 16 letters, digits, - and _. NotFound: there is nobody to join it to.
    """
    token = base64.urlsafe_b64encode(bytes.fromhex(runtime.dice.attempt_id())[:_TOKEN_BYTES]).decode()
    now = runtime.clock.now()
    with runtime.db.write() as session:
        known = customers.get(session, customer_id) if customer_id else staff.get(session, staff_id)
        if known is None:
            raise NotFound("there is nobody for this link")
        links.add(
            session,
            _hash(token),
            channel,
            customer_id=customer_id,
            staff_id=staff_id,
            now=now,
            expires_at=now + LASTS,
        )
        trail.write(session, [trail.line(now, "link", f"{channel}, for a day", customer_id=customer_id)])
    return token


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


# ----- a chat is joined


def open_chat(session: Session, runtime: Runtime, reply: InboundRow) -> None:
    """Somebody opened the chat: by a link, or because they are known already, or as a stranger."""
    token = reply.body.strip()
    link = links.by_hash(session, reply.channel, _hash(token)) if token else None
    if link is None:
        _open_without_link(session, runtime, reply)
        return
    because = _open_link(session, runtime, reply, link)
    if because is None:
        return
    inbound.mark(session, reply.id, "read")
    _note(session, runtime, f"a link was not opened: {because}", link.customer_id)
    key = f"link:{link.id}:{reply.channel}:{reply.from_address}"
    _say(session, runtime, reply, "chat_link_refused", key, buttons=_share_button(runtime))


def _open_link(session: Session, runtime: Runtime, reply: InboundRow, link: LinkRow) -> str | None:
    """Why this chat may not open this link; None: it did, now or before.

    1 lock the customer  2 a chat of somebody else is not moved  3 use the link: one winner  4 join the chat

    The chat that had opened it may do so again, and is joined to nobody by that: it may have been replaced since.
    """
    customer = customers.lock(session, [link.customer_id]).get(link.customer_id) if link.customer_id else None
    member = staff.get(session, link.staff_id) if link.staff_id else None
    if customer is not None and _is_anothers(session, reply, customer):
        return "the chat is another's"
    if not links.use(session, link.id, reply.from_address, runtime.clock.now()):
        session.refresh(link)
        if link.used_at is None:
            return "it had expired"
        if link.address != reply.from_address:
            return "another chat had opened it"
        _open_without_link(session, runtime, reply)
        return None
    if customer is not None:
        joined = _join_customer(session, runtime, reply, customer, "by a link")
    else:
        joined = member is not None and _join_staff(session, runtime, reply, member, "by a link")
    return None if joined else "the chat is another's"


def share_contact(session: Session, runtime: Runtime, reply: InboundRow) -> None:
    """Join the chat to the customer and the member of staff who have the number that its owner has shared."""
    number = normalise_phone(reply.body, runtime.settings.region) or ""
    joined = False
    customer_id = links.customer_with_number(session, number)
    if customer_id:
        customer = customers.lock(session, [customer_id])[customer_id]
        joined = _join_customer(session, runtime, reply, customer, "by their number")
    member = staff.by_address(session, number)
    if member is not None:
        joined = _join_staff(session, runtime, reply, member, "by their number") or joined
    if not joined:
        inbound.mark(session, reply.id, "read")
        because = "the chat is another's" if customer_id or member else "it is nobody's"
        _note(session, runtime, f"a shared number did not link the chat: {because}", customer_id)
        _tell_stranger(session, runtime, reply, "chat_unknown_number", "unknown-number")


def _open_without_link(session: Session, runtime: Runtime, reply: InboundRow) -> None:
    member = staff.writing_from(session, reply.channel, reply.from_address)
    customer = customers.by_address(session, reply.channel, reply.from_address)
    if customer is not None:
        customer = customers.lock(session, [customer.id])[customer.id]
        come_back(session, runtime, reply, customer)
        _say(session, runtime, reply, "chat_linked", f"inbound:{reply.id}:linked", customer=customer)
    elif member is not None:
        inbound.mark(session, reply.id, "read", staff_id=member.id)
        _say(session, runtime, reply, "staff/chat_linked", f"inbound:{reply.id}:staff", member=member)
    else:
        inbound.mark(session, reply.id, "read")
        _note(session, runtime, "a chat was opened by somebody unknown")
        hint(session, runtime, reply)


def _is_anothers(session: Session, reply: InboundRow, customer: CustomerRow) -> bool:
    owner = customers.by_address(session, reply.channel, reply.from_address)
    return owner is not None and owner.id != customer.id


def _join_customer(session: Session, runtime: Runtime, reply: InboundRow, customer: CustomerRow, how: str) -> bool:
    """Give the customer this chat; False when another customer has it."""
    person = customers.first_persons(session, [customer.id]).get(customer.id)
    if person is None:
        person = customers.add_person(session, customer.id, customer.name)
    customers.add_point(session, customer.id, person, reply.channel, reply.from_address)
    if _is_anothers(session, reply, customer):
        return False
    come_back(session, runtime, reply, customer)
    links.use_again(session, reply.channel, reply.from_address)
    now = runtime.clock.now()
    trail.write(session, [trail.line(now, "linked", f"{reply.channel} {how}", customer_id=customer.id)])
    _say(session, runtime, reply, "chat_linked", f"inbound:{reply.id}:linked", customer=customer)
    return True


def _join_staff(session: Session, runtime: Runtime, reply: InboundRow, member: StaffRow, how: str) -> bool:
    """Give the member of staff this chat, in place of an earlier one; False when another has it."""
    if not member.active or not staff.link_chat(session, member.id, reply.from_address):
        return False
    inbound.mark(session, reply.id, "read", staff_id=member.id)
    line = trail.line(runtime.clock.now(), "linked", f"{reply.channel} of {member.name} {how}")
    trail.write(session, [line])
    _say(session, runtime, reply, "staff/chat_linked", f"inbound:{reply.id}:staff", member=member)
    return True


# ----- strangers


def hint(session: Session, runtime: Runtime, reply: InboundRow) -> None:
    """Tell an unknown chat how to link, at most once in TOLD_AGAIN; nothing on channels that are not chats."""
    if reply.channel == staff.CHAT:
        _tell_stranger(session, runtime, reply, "chat_hint", "hint", _share_button(runtime))


def _tell_stranger(
    session: Session, runtime: Runtime, reply: InboundRow, template: str, kind: str, buttons: Buttons = ()
) -> None:
    """Tell it unless it was told lately; the number in the key makes one message of what two readers say at once."""
    count, last = links.told(session, reply.channel, reply.from_address, kind)
    if last is None or runtime.clock.now() >= last + TOLD_AGAIN:
        key = f"{kind}:{count + 1}:{reply.channel}:{reply.from_address}"
        _say(session, runtime, reply, template, key, buttons=buttons)


def _share_button(runtime: Runtime) -> Buttons:
    language = runtime.shelf.in_force[0].program.language
    return [[[_SHARE["zh" if language == "zh" else "en"], SHARE_CONTACT]]]


def _note(session: Session, runtime: Runtime, because: str, customer_id: int = 0) -> None:
    trail.write(session, [trail.line(runtime.clock.now(), "ignored", because, customer_id=customer_id)])


# ----- leaving and coming back


def leave(
    session: Session, runtime: Runtime, reply: InboundRow, customer: CustomerRow | None, member: StaffRow | None
) -> None:
    """Nothing more goes to this chat: what waits for it goes another way, or is listed.

    Who said so (/stop) gets one answer; who blocked the bot can get none.
    """
    now, said = runtime.clock.now(), bool(reply.body.strip())
    left = False
    if customer is not None:
        source = "reply" if said else "provider"
        left = links.leave(session, customer.id, reply.channel, reply.from_address, source, now)
    if left and customer is not None:
        trail.write(session, [trail.line(now, "left", f"left {reply.channel}", customer_id=customer.id)])
    if member is not None and member.chat == reply.from_address:
        left = True
        staff.unlink_chat(session, reply.from_address)
        because = f"{member.name} left {reply.channel}: notices go to their phone number"
        trail.write(session, [trail.line(now, "left", because)])
    if not left:
        return
    for message in links.in_outbox(session, reply.channel, reply.from_address):
        if messages.refuse(session, [message.id], MessageState.SUPPRESSED, links.LEFT):
            refusals.settle_refused(session, runtime, message.id, Refused(links.LEFT), now)
    if said:
        template = "chat_left" if customer is not None else "staff/chat_left"
        _say(session, runtime, reply, template, f"inbound:{reply.id}:left", customer=customer, member=member)


def come_back(session: Session, runtime: Runtime, reply: InboundRow, customer: CustomerRow) -> None:
    """The customer uses this channel again: so may we."""
    inbound.mark(session, reply.id, "read", customer_id=customer.id)
    now = runtime.clock.now()
    if links.come_back(session, customer.id, reply.channel, reply.from_address, now):
        because = f"came back to {reply.channel}"
        trail.write(session, [trail.line(now, "came_back", because, customer_id=customer.id)])


# ----- what is said


def home(session: Session, runtime: Runtime, customer_id: int) -> InForce:
    """The program that speaks for the house to this customer: the first that runs here and has them, else the first."""
    theirs = {enrolment.program_id for enrolment in customers.enrolments_of(session, customer_id)}
    in_force = runtime.shelf.in_force
    return next((each for each in in_force if each.program.id in theirs), in_force[0])


def _say(
    session: Session,
    runtime: Runtime,
    reply: InboundRow,
    template: str,
    key: str,
    *,
    customer: CustomerRow | None = None,
    member: StaffRow | None = None,
    buttons: Buttons = (),
) -> None:
    """Answer in this chat; the same key again is none. A stranger's answer tells nothing of anybody."""
    program = home(session, runtime, customer.id if customer else 0).program
    language = customer.language if customer else member.language if member else program.language
    known = {"company": program.text(program.company, language), "company_phone": program.company_phone or None}
    zone = customer.zone if customer else program.zone
    now = runtime.clock.now()
    messages.put(
        session,
        {
            **wording.compose(runtime, program, template, language, zone, known),
            "reason": "answer about this chat",
            "dedupe_key": key[:128],
            "customer_id": customer.id if customer else 0,
            "staff_id": member.id if member and not customer else 0,
            "inbound_id": reply.id,
            "purpose": str(Purpose.STAFF if member and not customer else Purpose.REPLY),
            "channel": reply.channel,
            "sender": reply.to_address[:64],
            "address": reply.from_address,
            "buttons": buttons,
            "created_at": now,
            "due_at": now,
            "expires_at": None,
        },
    )
