"""What the fleet's folder says, said to Kafka: users, rights, registrations. Run twice it changes nothing.

Registrations go to ampward.sites.v1, from where every service of the centre reads them; each lies in its site's own
partition. Rights are set for whoever lives, and taken with the user from whoever was ended.
"""

import asyncio
from collections.abc import Iterable

from services.fleet.identities import Book, Entry
from services.fleet.permissions import SERVICES, service_rights, site_rights, site_user
from shared.bus.registry import SITES
from shared.log.kafka.access import Access
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Place
from shared.log.kafka.users import end_user, set_rights, set_users, users
from shared.runtime.clocks import SystemClock
from shared.wire import cloud
from shared.wire.registrations import encode_registration

CONFIRM_S = 30.0


async def apply_all(access: Access, book: Book) -> None:
    """Everything, at a start of the servers. Raises KafkaUnavailable, Unconfirmed."""
    entries = book.entries()
    if book.vault is not None:
        known = await users(access)
        living = {site_user(entry.site): book.password(entry.site) for entry in entries if not entry.is_ended}
        passwords = {**book.vault.passwords(), **{name: word for name, word in living.items() if word}}
        # A site's password may have changed while the servers were down: it is always said, at 5 ms of work each.
        await set_users(access, {n: word for n, word in passwords.items() if n not in known or n in living})
        rights = {name: site_rights(book.prefix) for name in passwords if name in living}
        await set_rights(access, {name: service_rights(name, book.prefix) for name in SERVICES} | rights)
        for name in sorted(site_user(entry.site) for entry in entries if entry.is_ended):
            if name in known:
                await end_user(access, name)
    await register(access, book, entries)


async def apply_site(access: Access, book: Book, entry: Entry, *, is_new: bool) -> None:
    """One site, after it was enrolled, renewed or revoked. ``is_new``: its password may be another one."""
    if book.vault is not None:
        name, password = site_user(entry.site), book.password(entry.site)
        if entry.is_ended:
            await end_user(access, name)
        elif password:
            if is_new:
                await set_users(access, {name: password})
            await set_rights(access, {name: site_rights(book.prefix)})
    await register(access, book, (entry,))


async def register(access: Access, book: Book, entries: Iterable[Entry]) -> None:
    """Write registrations; all services read the newest of each site."""
    now_ms = SystemClock().wall_ms()
    async with Producer(access, "fleet", give_up_s=CONFIRM_S) as producer:
        confirmed = [
            await producer.hand_over(
                Place(book.prefix + SITES.name, entry.partition),
                entry.site.encode(),
                encode_registration(entry.registration()),
                cloud.headers(cloud.REGISTRATION, site=entry.site, id=f"registration/{now_ms}", at_ms=now_ms),
            )
            for entry in entries
        ]
        await asyncio.gather(*confirmed)
