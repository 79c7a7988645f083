"""The model card of a model that a language was added to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cl2cm_plugin.encoder import model_card

if TYPE_CHECKING:
    from cl2cm_plugin.encoder.model_info import ModelInfo

_TEMPLATE = """\
---
{header}---

# {name}

Finds pictures by text in {languages}. Made from `{origin}` by teaching its text tower {added}, from sentences alone,
without a picture. The image tower is that model's, byte for byte: pictures have the same vectors, and a collection
made with it need not be imported again.

```python
import cl2cm_plugin  # finds models that `cl2cm install` put in place
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{name}")
vectors = model.encode(["..."])
```

## Training
- Sentences: {described}; {known} further sentences of the languages already there
- Licence of the sentences: {licence}
- Vocabulary: {appended} pieces of the text backbone appended to {pieces}; {resegmented} of {compared} sentences in the
  languages already there are split otherwise than before
- Vectors after training, cosine to what the earlier model gives, mean over up to {sample} training sentences:
  translations to their source sentences {learned:.3f} ({before:.3f} before), languages already there to themselves
  {kept:.3f}

```yaml
{recipe}```

## Where it comes from
What `{origin}` says of itself; figures there are its own, and those of other languages than the new may have moved a
little.

{earlier}
"""


@dataclass(frozen=True)
class Measured:
    """What adding a language did to vectors; cosines are means over a sample of the training sentences.

    Attributes:
        sample: The largest number of sentences that a mean is taken over.
        before: Cosine between translations and their source sentences, both by the earlier model.
        learned: Cosine between translations now and their source sentences by the earlier model.
        kept: Cosine between sentences of known languages now and by the earlier model.
        pieces: Pieces of the vocabulary before.
        appended: Pieces appended to it.
        compared: Sentences of known languages whose segmentation was compared.
        resegmented: How many of them are split otherwise than before.
    """

    sample: int
    before: float
    learned: float
    kept: float
    pieces: int
    appended: int
    compared: int
    resegmented: int = 0


@dataclass(frozen=True)
class Addition:
    """What the card says beyond the model's own facts.

    Attributes:
        origin: Identity of the earlier model.
        earlier: The earlier model's card, or nothing.
        languages: The languages added.
        described: The sentences they were learned from.
        licence: What those may be used for.
        known: How many further sentences of known languages were replayed.
        recipe: The complete settings, YAML.
        measured: What it did.
    """

    origin: str
    earlier: str
    languages: list[str]
    described: str
    licence: str
    known: int
    recipe: str
    measured: Measured


def write(info: ModelInfo, addition: Addition) -> str:
    """Write the card of a model that languages were added to.

    Args:
        info: The new model's own facts.
        addition: How it was made.

    Returns:
        Markdown with the YAML header that the Hugging Face hub reads; the earlier model's card stands at the end.
    """
    return _TEMPLATE.format(
        header=model_card.header(info),
        name=info.name,
        languages=", ".join(info.languages),
        origin=addition.origin,
        added=" and ".join(addition.languages),
        described=addition.described,
        known=addition.known,
        licence=addition.licence or "not stated",
        recipe=addition.recipe,
        earlier=_below_a_heading(addition.earlier) or "Nothing.",
        **addition.measured.__dict__,
    )


def _below_a_heading(card: str) -> str:
    """A card without its YAML header, its headings two levels lower."""
    body = card.partition("\n---\n")[2] if card.startswith("---\n") else card
    lines, inside_code = [], False
    for line in body.strip().splitlines():
        inside_code ^= line.startswith("```")
        lines.append(f"##{line}" if line.startswith("#") and not inside_code else line)
    return "\n".join(lines)
