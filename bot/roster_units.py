"""The units that a roster names, beside those that are stored: which are new, renamed, doubtful or refused."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from storage.units import Unit, without_diacritics

KINDS = ("committee", "organisation", "division")


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """What becomes of the units."""

    new: Mapping[str, str]  # names by key
    kinds: Mapping[str, str]  # of the new ones, by key
    changed: tuple[tuple[Unit, Unit], ...]  # as stored, as it is to be
    refused: Mapping[str, tuple[str, str]]  # by key: a name without diacritics, and the one that is known with them
    alike: Mapping[str, tuple[str, str]]  # new ones by key: the name, and one that differs by diacritics only


def plan(stored: Iterable[Unit], names: Mapping[str, str]) -> UnitPlan:
    """Compare the *names* of a file (by key, as its records bring them) with the *stored* units.

    The same name in any case, with the tone anywhere in its syllable, is the same unit. A name without any diacritics
    beside the same one with them is refused, stored or not. Where the names that are not refused have diacritics and
    the stored unit has none, it is renamed; two such names are two units, and doubtful.
    """
    tree = {unit.id: unit for unit in stored}
    before = dict(tree)
    keys = {unit.key: unit.id for unit in tree.values()}
    twins: dict[str, set[str]] = defaultdict(set)  # keys of one parent that differ by diacritics, in tree and file
    for key in (*keys, *names):
        twins[_twin(key)].add(key)
    spelling = {unit.key: unit.name for unit in tree.values()} | dict(names)
    new: dict[str, str] = {}
    refused: dict[str, tuple[str, str]] = {}
    alike: dict[str, tuple[str, str]] = {}
    for key in sorted(names, key=lambda key: key.count("/")):
        parent = key.rpartition("/")[0]
        if parent in refused:
            refused[key] = refused[parent]
            continue
        others = [each for each in twins[_twin(key)] if each != key]
        accented = [each for each in others if not without_diacritics(each)]
        plain = [each for each in others if without_diacritics(each) and each in keys and each not in names]
        if without_diacritics(key) and accented:
            refused[key] = names[key], spelling[min(accented)]
        elif key in keys:
            continue
        elif plain and not accented:
            _rename(tree, keys, plain[0], key)
            for each in [each for each in keys if each.startswith(f"{key}/")]:  # its children stand there now
                twins[_twin(each)].add(each)
                spelling[each] = tree[keys[each]].name
        else:
            new[key] = names[key]
            if there := [each for each in others if each in keys or each in new]:
                alike[key] = names[key], spelling[min(there, key=lambda key: (without_diacritics(key), key))]
    parents = {key.rpartition("/")[0] for key in (*keys, *new)}
    for key, number in keys.items():
        tree[number] = replace(tree[number], name=names.get(key, tree[number].name), kind=kind(key, key in parents))
    changed = tuple((before[number], unit) for number, unit in tree.items() if unit != before[number])
    return UnitPlan(new, {key: kind(key, key in parents) for key in new}, changed, refused, alike)


def kind(key: str, has_children: bool) -> str:
    """What a unit is by its place in the tree: the root is the committee, what has nothing below is a cell."""
    depth = key.count("/")
    if not has_children:
        return "cell" if depth > 1 else "base_cell"
    return KINDS[min(depth, 2)]


def _twin(key: str) -> str:
    parent, _, part = key.rpartition("/")
    return f"{parent}/{part.partition('!')[0]}"


def _rename(tree: dict[int, Unit], keys: dict[str, int], old: str, new: str) -> None:
    """Give a unit another key, and everything below it."""
    for key in [key for key in keys if key == old or key.startswith(f"{old}/")]:
        number = keys.pop(key)
        keys[new + key[len(old) :]] = number
        tree[number] = replace(tree[number], key=new + key[len(old) :])
