"""Names of the site file that mean something elsewhere: devices, their profiles, their channels.

Promises: an unknown name is a fault that offers the nearest known one; each channel that is used is remembered, so that
only used parts of a profile's repeating groups are polled.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import NamedTuple

from shared.devices.profile import Channel, Group, Profile
from shared.runtime.documents import Fault, Place
from shared.runtime.profiles import Reading, profile_path, read_profile, shipped_profiles
from shared.runtime.site_file.loading import Source
from shared.runtime.site_file.models import DeviceModel
from shared.runtime.site_file.values import ChannelRef
from shared.runtime.sound import Gaps

LISTED_MAX = 12


class Found(NamedTuple):
    """A channel that a reference means."""

    device: str
    channel: Channel


def near(name: str, known: Iterable[str]) -> str:
    """``, did you mean X`` or nothing."""
    matches = get_close_matches(name, list(known), 1)
    return f", did you mean {matches[0]}" if matches else ""


def listing(known: Iterable[str], none: str = "none is there") -> str:
    """``one of a, b, c``, cut where it would be too long to read."""
    names = list(known)
    more = f" and {len(names) - LISTED_MAX} more" if len(names) > LISTED_MAX else ""
    return f"one of {', '.join(names[:LISTED_MAX])}{more}" if names else none


@dataclass
class Names:
    """The devices of the site with their profiles."""

    source: Source
    profiles: dict[str, Profile] = field(default_factory=dict)
    used: dict[str, dict[str, Channel]] = field(default_factory=dict)
    """Channels of groups that are used, by device and name."""
    gaps: dict[str, Gaps] = field(default_factory=dict)
    """What was left out of a device's profile because a fault stands there."""

    def is_doubtful(self, device: str, *place: str) -> bool:
        """True when something was left out of the device's profile there."""
        return device in self.gaps and self.gaps[device].is_broken(place)

    def devices_of(self, room: str) -> dict[str, DeviceModel]:
        """The devices whose frames the room sees, in file order."""
        devices = self.source.model.devices
        return {name: device for name, device in devices.items() if device.room in (room, "site")}

    def device(self, room: str, name: str, place: Place) -> Profile | None:
        """The profile of a device that the room sees, or None with a fault told."""
        devices = self.source.model.devices
        if name not in devices:
            if not self.source.is_gone(("devices", name)):
                what = f"there is no device {name}{near(name, devices)}"
                self.source.fault(place, what, listing(self.devices_of(room)))
            return None
        if devices[name].room not in (room, "site"):
            what = f"device {name} belongs to room {devices[name].room}"
            if not self.source.is_broken(("devices", name, "room")):
                self.source.fault(place, what, f"a device of room {room}, or room: site on {name}")
            return None
        return self.profiles.get(name)

    def find(self, room: str, ref: ChannelRef | None, place: Place) -> Found | None:
        """The channel that ``ref`` means in ``room``, or None (with a fault told when there is a reference)."""
        if ref is None:
            return None
        profile = self.device(room, ref.device, place)
        if profile is None:
            return None
        channel = profile.channel(ref.channel)
        if channel is None and self._left_out(ref):
            return None
        if channel is None:
            known = channel_names(profile)
            what = f"{ref.device} has no point {ref.channel}{near(ref.channel, known)}"
            self.source.fault(place, what, listing(known))
            return None
        self.use(ref.device, channel)
        return Found(ref.device, channel)

    def _left_out(self, ref: ChannelRef) -> bool:
        """True when the profile offers such a point, or may, at a place that was left out."""
        gaps = self.gaps.get(ref.device, Gaps())
        if gaps.is_gone(("points", ref.channel)):
            return True
        group = ref.channel.partition("_")[0].rstrip("0123456789")
        return group != ref.channel and gaps.is_broken(("groups", group))

    def use(self, device: str, channel: Channel) -> None:
        self.used.setdefault(device, {})[channel.name] = channel


def channel_names(profile: Profile) -> list[str]:
    """Names that a reference may use; of a repeating group its first and last element."""
    names = [channel.name for channel in profile.channels]
    for group in profile.groups:
        ends = {1: None, group.count: None}
        names += [f"{group.name}{index}_{channel.name}" for index in ends for channel in group.channels]
    return names


def load_profiles(source: Source, env: Mapping[str, str]) -> Names:
    """Read the profile of every device, each file once; a shipped name that does not exist is told at the device."""
    names = Names(source)
    read: dict[str, Reading] = {}
    for device, model in source.model.devices.items():
        place = ("devices", device, "profile")
        base = source.base(place)
        path = profile_path(model.profile, base)
        key = str(path or model.profile)
        if key not in read:
            read[key] = read_profile(model.profile, base, env)
            if path is not None:
                source.files.append(path)
        profile, faults, gaps = read[key]
        _tell(source, place, model.profile, path is not None and path.is_file(), faults)
        read[key] = Reading(profile, (), gaps)
        if profile is None:
            source.left_out(place, source.owner(place)[0].file)
            continue
        names.profiles[device] = profile
        names.gaps[device] = gaps
    return names


def _tell(source: Source, place: Place, ref: str, is_file: bool, faults: Iterable[Fault]) -> None:
    for fault in faults:
        if fault.line and is_file:
            source.faults.append(fault)
        elif fault.line:
            source.fault(place, f"{ref}: {fault.what}", fault.allowed)
        else:
            source.fault(place, fault.what + near(ref, shipped_profiles()), fault.allowed)


def group_with(profile: Profile, names: tuple[str, ...]) -> Group | None:
    """The repeating group that measures most of ``names`` (of level sensors: the level); None when none does."""
    offered = [{one.name for one in group.channels} for group in profile.groups]
    needed = {"level"} if "level" in names else set()
    counts = [len(channels.intersection(names)) if needed <= channels else 0 for channels in offered]
    best = max(counts, default=0)
    return profile.groups[counts.index(best)] if best else None
