"""What the contracts need to know of a technique: an example, what is neutral, and what must be refused.

What is refused of a strength follows from its declared range, and the values that members differ in from what is
declared worth searching; so a technique of strengths alone needs no more than an example.
"""

from dataclasses import dataclass, field

from wellposed.techniques.technique import Technique


@dataclass(frozen=True)
class Case:
    """What the contracts need to know.

    Attributes:
        example: A technique unlike its default, where it has fields.
        neutral: Strengths under which it changes nothing; None where there are none.
        kind: Of batch that it changes: "batch" of numbers, "images", "steps" of sequences, "tokens" of texts.
        refused: For each field that is no strength, values out of range.
    """

    example: Technique
    neutral: dict[str, float] | None = None
    kind: str = "batch"
    refused: dict[str, tuple[object, ...]] = field(default_factory=dict)
