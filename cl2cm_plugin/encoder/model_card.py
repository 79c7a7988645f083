"""The model card: what a model is, what it was trained on, what it may be used for, how well it retrieves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from cl2cm_plugin.encoder.model_info import ModelInfo

_TEMPLATE = """\
---
{header}---

# {name}

Finds pictures by text in {languages}. Texts and pictures share one space of {dimensions} dimensions; similarity is the
cosine. {learned}

```python
import cl2cm_plugin  # finds models that `cl2cm install` put in place
from PIL import Image
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{name}")
texts = model.encode(["..."])
pictures = model.encode([Image.open("picture.jpg")])
print(model.similarity(texts, pictures))
```

Give a server's user input as `{{"text": ...}}`: sentence-transformers opens a plain string that names a picture file.

## Training
- Data: {trained_on}
- Licence of the data: {licence}
- Text backbone: {text_backbone}; image backbone: {image_backbone}; vocabulary: {vocabulary}
- Seed: {seed}

```yaml
{recipe}```

## Retrieval
{evaluation}

R@k is the share of queries, in percent, with a right answer among the first k; ties count against. SumR is the sum of
the six.
"""


@dataclass(frozen=True)
class CardFacts:
    """What the card says beyond the model's own facts.

    Attributes:
        learned: What the model learned from, and how, in whole sentences.
        text_backbone: Name of the text backbone.
        image_backbone: Name of the image backbone.
        vocabulary: How many pieces were kept, and by which rule.
        seed: The seed of the run.
        recipe: The complete recipe, YAML.
        evaluation: Markdown: what was measured, with tables.
    """

    learned: str
    text_backbone: str
    image_backbone: str
    vocabulary: str
    seed: int
    recipe: str
    evaluation: str


def header(info: ModelInfo) -> str:
    """Write the YAML header of a card that the Hugging Face hub reads, without the lines around it."""
    text: str = yaml.safe_dump(
        {
            "language": info.languages,
            "library_name": "sentence-transformers",
            "pipeline_tag": "feature-extraction",
            "tags": ["sentence-transformers", "image-text-retrieval", "cross-lingual", "cl2cm"],
        },
        sort_keys=False,
    )
    return text


def write(info: ModelInfo, facts: CardFacts) -> str:
    """Write the model card of a trained model.

    Args:
        info: The model's own facts.
        facts: How it was trained and what it measures.

    Returns:
        Markdown with the YAML header that the Hugging Face hub reads.
    """
    return _TEMPLATE.format(
        header=header(info),
        name=info.name,
        languages=", ".join(info.languages),
        learned=facts.learned,
        dimensions=info.dimensions,
        trained_on=info.trained_on,
        licence=info.licence or "not stated",
        text_backbone=facts.text_backbone,
        image_backbone=facts.image_backbone,
        vocabulary=facts.vocabulary,
        seed=facts.seed,
        recipe=facts.recipe,
        evaluation=facts.evaluation,
    )
