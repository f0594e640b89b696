"""Spaces: what may vary in a recipe, and how far, derived from what the techniques declare of themselves.

A space is a tree of dimensions: some choose (which net, which norm, a technique or none), others are ranges of numbers
that exist only under some choices. Values for the dimensions that exist make a recipe.

Where the trees come from: Bergstra, Bardenet, Bengio & Kégl, Algorithms for hyper-parameter optimization, 2011,
section 2.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeAlias

from wellposed.checks import check_choice, nearest, refusal
from wellposed.nets.net import Net
from wellposed.optimizers import Optimizer
from wellposed.recipe import Ramp, Recipe
from wellposed.schedules import Schedule
from wellposed.techniques.technique import Strength, Technique, strength_fields
from wellposed.toml import encode

Value: TypeAlias = float | int | str
Part: TypeAlias = Net | Optimizer | Schedule | Technique
When: TypeAlias = tuple[str, tuple[str, ...]] | None
"""An earlier choice and those of its options under which something exists; None where it always does."""
WHOLE = ("epochs", "batch_size")
"""Fields of a recipe that are whole numbers."""


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One thing that may vary.

    Attributes:
        name: Of a strength as `Recipe.strengths` gives it, of a field such as "net.block", or of a choice.
        kind: "real" or "whole" numbers from `low` to `high`, or a "choice" among `options`.
        low: The least number.
        high: The greatest.
        log: Whether equal ratios count the same, not equal differences.
        options: Labels of what may be chosen.
        when: Under which earlier choice it exists.
    """

    name: str
    kind: Literal["real", "whole", "choice"]
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    options: tuple[str, ...] = ()
    when: When = None

    def __post_init__(self) -> None:
        check_choice("Dimension.kind", self.kind, ("real", "whole", "choice"))
        if self.kind == "choice":
            if len(self.options) < 2 or len(set(self.options)) < len(self.options):
                raise refusal(f"The choice {self.name!r}", "have at least two different options", list(self.options))
            return
        if not self.low < self.high:
            raise refusal(f"The range of {self.name!r}", "end above its beginning", (self.low, self.high))
        if self.log and self.low <= 0:
            raise refusal(f"The logarithmic range of {self.name!r}", "begin above 0", self.low)


@dataclass(frozen=True)
class Option:
    """What may be chosen: parts that join the recipe together, none for leaving something out.

    Attributes:
        label: Its name within the choice.
        parts: Techniques, which take the choice's place in the order; or a net, an optimizer or a schedule, which
            replaces the recipe's.
    """

    label: str
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of several options.

    Attributes:
        name: Unlike that of any other dimension.
        options: Two at least. The first is taken where nothing is said.
        when: Under which earlier choice there is anything to choose.
    """

    name: str
    options: tuple[Option, ...]
    when: When = None


@dataclass(frozen=True, kw_only=True)
class Space:
    """A recipe of which some things may vary; `space` makes one.

    Attributes:
        base: What does not vary, and what strengths are where nothing is said; without techniques.
        slots: The techniques in their order: those that are always there, and choices in the place of others.
        ranges: Numbers that may vary: strengths, and whole numbers such as "Lookahead.every" or "batch_size".
        ramps: Of strengths, for those techniques that are there.
    """

    base: Recipe
    slots: tuple[Technique | Choice, ...] = ()
    ranges: tuple[Dimension, ...] = ()
    ramps: tuple[Ramp, ...] = ()

    def __post_init__(self) -> None:
        names = [d.name for d in self.dimensions]
        for number, dimension in enumerate(self.dimensions):
            if dimension.name in names[:number]:
                raise refusal("The names of what may vary", "differ from each other", dimension.name)
        known = dict[str, set[str]]()
        parts: tuple[Choice | Dimension, ...] = (*self.choices, *self.ranges)
        for what in parts:
            if what.when is not None and not set(what.when[1]) <= known.get(what.when[0], set()):
                raise refusal(repr(what.name), "depend on options of an earlier choice", what.when)
            if isinstance(what, Choice):
                known[what.name] = {o.label for o in what.options}

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The slots that hold one of several options."""
        return tuple(slot for slot in self.slots if isinstance(slot, Choice))

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """All that may vary, choices before what depends on them."""
        made = {c.name for c in self.choices if len(c.options) == 1}
        labeled = (
            Dimension(name=c.name, kind="choice", options=tuple(o.label for o in c.options), when=c.when)
            for c in self.choices
            if c.name not in made
        )
        every = (*labeled, *self.ranges)
        return tuple(replace(d, when=None) if d.when is not None and d.when[0] in made else d for d in every)

    def recipe(self, values: Mapping[str, Value]) -> Recipe:
        """The recipe that these values make; what is not named stays as it is written, a choice at its first option.

        >>> from wellposed.techniques import Dropout, WeightDecay
        >>> found = space([Dropout(), WeightDecay()]).recipe({"Dropout": "on", "Dropout.rate": 0.3})
        >>> [(type(t).__name__, t.rate) for t in found.techniques]
        [('Dropout', 0.3)]
        """
        known = [d.name for d in self.dimensions]
        for name in values:
            if name not in known:
                raise refusal("A value", "name what may vary", name, nearest(name, known))
        recipe, chosen = self.base, dict[str, str]()
        techniques: list[Technique] = []
        for slot in self.slots:
            if not isinstance(slot, Choice):
                techniques.append(slot)
            elif _exists(slot.when, chosen):
                label = str(values.get(slot.name, slot.options[0].label))
                chosen[slot.name] = label
                recipe, joined = _joined(recipe, _option(slot, label).parts)
                techniques += joined
        recipe = replace(recipe, techniques=tuple(techniques))
        strengths: dict[str, Strength] = {}
        for dimension in self.ranges:
            if dimension.name in values and _exists(dimension.when, chosen):
                value, owner = values[dimension.name], dimension.name.rpartition(".")[0]
                if dimension.kind == "real":
                    plain = owner == "optimizer" or owner != type(recipe.optimizer).__name__
                    name = dimension.name if plain else "optimizer." + dimension.name.rpartition(".")[2]
                    strengths[name] = float(value)
                else:
                    recipe = _with_field(recipe, dimension.name, int(value))
        ramps = tuple(ramp for ramp in self.ramps if ramp.strength in recipe.strengths())
        return replace(recipe.with_strengths(strengths), ramps=ramps)

    def to_json(self) -> dict[str, Any]:
        """The space as plain values, by which two are told apart."""
        slots = [
            {"choice": s.name, "options": {o.label: [encode(p) for p in o.parts] for o in s.options}, "when": s.when}
            if isinstance(s, Choice)
            else encode(s)
            for s in self.slots
        ]
        ranges = [{f.name: getattr(d, f.name) for f in fields(d)} for d in self.ranges]
        ramps = [{"strength": r.strength, "schedule": encode(r.schedule)} for r in self.ramps]
        return {"base": self.base.to_toml(), "slots": slots, "ranges": ranges, "ramps": ramps}


def read_dimensions(written: object) -> tuple[Dimension, ...]:
    """The dimensions of a space as `Space.to_json` wrote it; none of anything else, such as a list of recipes.

    >>> from wellposed.techniques import Dropout
    >>> read_dimensions(space([Dropout()]).to_json()) == space([Dropout()]).dimensions
    True
    """
    if not isinstance(written, dict):
        return ()
    tables = [
        {"name": slot["choice"], "kind": "choice", "options": tuple(slot["options"]), "when": slot["when"]}
        for slot in written["slots"]
        if "choice" in slot and len(slot["options"]) > 1
    ]
    found = []
    for table in (*tables, *written["ranges"]):
        when = None if table["when"] is None else (table["when"][0], tuple(table["when"][1]))
        found.append(Dimension(**{**table, "options": tuple(table["options"]), "when": when}))
    return tuple(found)


def space(
    recipe: Recipe | Sequence[Technique],
    *,
    optional: Sequence[str] = (),
    choices: Mapping[str, Sequence[Part | tuple[Part, ...] | None]] | None = None,
    ranges: Mapping[str, tuple[float, float] | tuple[float, float, str]] | None = None,
    fixed: Sequence[str] = (),
) -> Space:
    """What may vary in a recipe: every strength that its parts declare, from end to end of the range worth searching.

    Args:
        recipe: The recipe; or techniques, each of which may be there or not.
        optional: Names of techniques of the recipe that may be there or not.
        choices: By name: parts of which one is taken, or tuples of parts that go together; None is nothing. A choice
            that holds a technique of the recipe's takes its place in the order; others stand behind all.
        ranges: In place of what is declared: low, high, and "log" for a logarithmic scale; also of whole numbers such
            as "Lookahead.every", "net.block", "epochs" or "batch_size".
        fixed: Names of strengths that stay as they are written; `*` stands for any letters.

    >>> from wellposed.techniques import BatchNorm, Dropout, LayerNorm
    >>> norms = {"norm": (None, BatchNorm(), LayerNorm())}
    >>> found = space(Recipe(techniques=(BatchNorm(), Dropout())), choices=norms, fixed=["optimizer.m*", "*decay"])
    >>> [d.name for d in found.dimensions]
    ['norm', 'optimizer.learning_rate', 'Dropout.rate', 'BatchNorm.momentum']
    """
    if not isinstance(recipe, Recipe):
        optional = [*optional, *(type(t).__name__ for t in recipe)]
        recipe = Recipe(techniques=tuple(recipe))
    listed = {type(t).__name__ for t in recipe.techniques}
    for name in optional:
        if name not in listed:
            raise refusal("optional", "name techniques of the recipe", name, nearest(name, listed))
    made = [_choice(name, options) for name, options in (choices or {}).items()]
    slots: list[Technique | Choice] = []
    for technique in recipe.techniques:
        name = type(technique).__name__
        owner = next((c for c in made if name in _kinds(c)), None)
        if owner is not None:
            slots += [] if owner in slots else [owner]
        elif name in optional:
            slots.append(Choice(name=name, options=(Option("off"), Option("on", (technique,)))))
        else:
            slots.append(technique)
    slots += [c for c in made if c not in slots]
    base = replace(recipe, techniques=(), ramps=())
    found = _ranges(base, slots, ranges or {}, fixed)
    return Space(base=base, slots=tuple(slots), ranges=found, ramps=recipe.ramps)


def _choice(name: str, options: Sequence[Part | tuple[Part, ...] | None]) -> Choice:
    """A choice from what a user wrote; labels are names of classes, with what is in them where these are equal."""
    bundles = [() if o is None else o if isinstance(o, tuple) else (o,) for o in options]
    plain = [" + ".join(type(part).__name__ for part in bundle) or "none" for bundle in bundles]
    labels = [
        label if plain.count(label) == 1 else " + ".join(_described(part) for part in bundle)
        for label, bundle in zip(plain, bundles, strict=True)
    ]
    return Choice(name=name, options=tuple(Option(*pair) for pair in zip(labels, bundles, strict=True)))


def _described(part: Part) -> str:
    """A part with those of its fields that are not as they are by default."""
    told = [f"{f.name}={getattr(part, f.name)!r}" for f in fields(part) if getattr(part, f.name) != f.default]
    return f"{type(part).__name__}({', '.join(told)})"


def _kinds(choice: Choice) -> set[str]:
    """Names of the classes that may be chosen."""
    return {type(part).__name__ for option in choice.options for part in option.parts}


def _ranges(
    base: Recipe,
    slots: Sequence[Technique | Choice],
    given: Mapping[str, Sequence[float | str]],
    fixed: Sequence[str],
) -> tuple[Dimension, ...]:
    """The range of each strength under the choices that bring it, and of the whole numbers that are given."""
    found: dict[str, Dimension] = {}
    left = dict(given)
    for owner, part, when in _owners(base, slots):
        declared = {f.name: f.metadata for f in strength_fields(type(part))} if isinstance(part, Technique) else {}
        for name in dict.fromkeys([*declared, *(n.rpartition(".")[2] for n in left if n.rpartition(".")[0] == owner)]):
            full = f"{owner}.{name}"
            if any(fnmatchcase(full, pattern) for pattern in fixed):
                continue
            if full in found:  # under further options of the same choice
                found[full] = replace(found[full], when=_either(full, found[full].when, when))
                continue
            if name in declared:
                low, high = declared[name]["search"]
                default = (low, high, "log") if declared[name]["log"] else (low, high)
                found[full] = _range(full, "real", given.get(full, default), when)
            elif name in {f.name for f in fields(part)}:
                found[full] = _range(full, "whole", given[full], when)
            if full in found:
                left.pop(full, None)
    for name in WHOLE:
        if name in left:
            found[name] = _range(name, "whole", left.pop(name), None)
    if left:
        raise refusal("ranges", "name numbers of the recipe", next(iter(left)), nearest(next(iter(left)), found))
    return tuple(found.values())


def _owners(base: Recipe, slots: Sequence[Technique | Choice]) -> Iterator[tuple[str, Part, When]]:
    """Every part with the name that its numbers carry, and the option under which it is there."""
    replaced = [part for s in slots if isinstance(s, Choice) for option in s.options for part in option.parts]
    if not any(isinstance(part, Net) for part in replaced):
        yield "net", base.net, None
    if not any(isinstance(part, Optimizer) for part in replaced):
        yield "optimizer", base.optimizer, None
    fixed = replace(base, techniques=tuple(s for s in slots if not isinstance(s, Choice))).named()
    yield from ((name, part, None) for name, part in fixed.items() if name != "optimizer")
    seen = {name.partition("#")[0]: "" for name in fixed}
    for choice in (s for s in slots if isinstance(s, Choice)):
        for option in choice.options:
            for part in option.parts:
                name = type(part).__name__
                if seen.setdefault(name, choice.name) != choice.name:
                    raise refusal(f"The technique {name}", "stand in one place of a space", "another place as well")
                yield name, part, (choice.name, (option.label,))


def _range(name: str, kind: Literal["real", "whole"], given: Sequence[float | str], when: When) -> Dimension:
    """A range from two numbers and, perhaps, the word "log"."""
    numbers = [g for g in given if isinstance(g, int | float)]
    if len(numbers) != 2 or list(given[2:]) not in ([], ["log"]):
        raise refusal(f"The range of {name!r}", 'be two numbers, and "log" behind them if so', tuple(given))
    return Dimension(name=name, kind=kind, low=numbers[0], high=numbers[1], log=len(given) == 3, when=when)


def _either(name: str, one: When, other: When) -> When:
    """The condition that holds under the options of both."""
    if one is None or other is None or one[0] != other[0]:
        raise refusal(repr(name), "depend on one choice", (one, other))
    return (one[0], tuple(dict.fromkeys([*one[1], *other[1]])))


def _exists(when: When, chosen: Mapping[str, str]) -> bool:
    return when is None or chosen.get(when[0]) in when[1]


def _option(choice: Choice, label: str) -> Option:
    found = {option.label: option for option in choice.options}
    if label not in found:
        raise refusal(f"The value of {choice.name!r}", "be one of its options", label, nearest(label, found))
    return found[label]


def _joined(recipe: Recipe, parts: Sequence[Part]) -> tuple[Recipe, list[Technique]]:
    """The recipe with nets, optimizers and schedules in place of its own, and the techniques among the parts."""
    techniques: list[Technique] = []
    for part in parts:
        if isinstance(part, Net):
            recipe = replace(recipe, net=part)
        elif isinstance(part, Optimizer):
            recipe = replace(recipe, optimizer=part)
        elif isinstance(part, Schedule):
            recipe = replace(recipe, schedule=part)
        else:
            techniques.append(part)
    return recipe, techniques


def _with_field(recipe: Recipe, name: str, value: int) -> Recipe:
    """The recipe with another whole number: of its own, its net's, its optimizer's or a technique's."""
    owner, _, field = name.rpartition(".")
    if not owner:
        return replace(recipe, **{field: value})  # type: ignore[arg-type]
    if owner in ("net", type(recipe.net).__name__):
        return replace(recipe, net=replace(recipe.net, **{field: value}))
    if owner in ("optimizer", type(recipe.optimizer).__name__):
        return replace(recipe, optimizer=replace(recipe.optimizer, **{field: value}))
    named = list(recipe.named())[1:]
    techniques = list(recipe.techniques)
    techniques[named.index(owner)] = replace(techniques[named.index(owner)], **{field: value})
    return replace(recipe, techniques=tuple(techniques))
