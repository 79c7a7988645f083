"""What each objective costs in a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from trainer import recipe_forms
from trainer.methods.cl2cm import CrossModalNetwork
from trainer.towers.image import TrainedImage
from trainer.towers.trained_text import TrainedText
from training_parts.bench import DEVICE, ROUNDS, Bench, loss_of, show_costs, stepper

if TYPE_CHECKING:
    from torch import Tensor

    from trainer.recipe import CrossModal

WORD_LEVELS: dict[str, Any] = {
    "transport, 50 iterations": recipe_forms.Transport(),
    "entropic, 50 iterations": recipe_forms.Entropic(form="entropic"),
    "self-labelled, 2 iterations": recipe_forms.SelfLabelled(form="self_labelled"),
}
DISTILLATIONS: dict[str, Any] = {
    "relational": recipe_forms.Relational(),
    "soft labels": recipe_forms.SoftLabels(form="soft_labels"),
    "embeddings": recipe_forms.Embeddings(form="embeddings"),
    "two teachers": recipe_forms.SeveralTeachers(form="several_teachers", models=["another"]),
}
OFF, HINGE = recipe_forms.Off(form="off"), recipe_forms.Hinge(form="hinge")


def stage_1(bench: Bench) -> None:
    """What each form of stage 1's objectives adds to a step."""
    batches, step = bench.batches()[:ROUNDS], stepper(bench.text.parameters())
    for batch in batches:
        bench.compute_states(batch)
    networks = {"sentence level": bench.cross_lingual(word_alignment=OFF)}
    networks["the same as a hinge"] = bench.cross_lingual(word_alignment=OFF, sentence=HINGE)
    networks.update({f"+ {name}": bench.cross_lingual(word_alignment=form) for name, form in WORD_LEVELS.items()})
    times = bench.take_turns(
        {name: lambda number, n=n: step(loss_of(n, batches[number % len(batches)])) for name, n in networks.items()}
    )
    show_costs(f"Stage 1, a step of {len(batches[0])} pairs", times)


def stage_2(bench: Bench) -> None:
    """What each form of stage 2's objectives adds to a step, with text layers in training and without."""
    pictures = list({row.group: row for row in bench.data.captioned_pictures if row.target}.values())
    items = pictures[: bench.recipe.cross_modal.optimiser.batch_size]
    bench.compute_states(items)
    texts = list(dict.fromkeys(text for item in items for text in (item.source, item.target)))
    with torch.inference_mode():
        pooled = bench.text.eval().pooled([bench.states[text] for text in texts]).cpu()
    image = TrainedImage(bench.model, feature_dropout=bench.recipe.cross_modal.feature_dropout).to(DEVICE)
    features = {item.file: torch.randn(1, image.projection.in_features) for item in items}
    rows = F.normalize(torch.randn(len(texts), bench.recipe.model.dimensions), dim=-1)
    teacher = dict(zip(texts, rows, strict=True))
    projected = TrainedText(bench.model, 0).to(DEVICE)
    means = dict(zip(texts, pooled[:, None].clone(), strict=True))
    phases = {"text layers as well": (bench.text, bench.states), "projections alone": (projected, means)}
    for phase, (text, states) in phases.items():
        step = stepper([*text.parameters(), *image.parameters()])
        networks = {
            name: CrossModalNetwork(text, image, settings, states, features.__getitem__, teachers, 0)
            .to(DEVICE)
            .train()
            for name, settings, teachers in stage_2_settings(bench.recipe.cross_modal, teacher)
        }
        times = bench.take_turns({name: lambda _, s=step, n=n: s(loss_of(n, items)) for name, n in networks.items()})
        show_costs(f"Stage 2, {phase}, a step of {len(items)} pictures", times)


def stage_2_settings(settings: CrossModal, teacher: dict[str, Tensor]) -> list[tuple[str, CrossModal, Any]]:
    """Name the forms of stage 2, no captions mixed; teachers are random vectors, which cost what others cost."""
    target = {"source_weight": 0.0, "target_weight": 1.0, "distillation": OFF}
    changes: dict[str, dict[str, Any]] = {
        "matching target": target,
        "the same as a hinge": {**target, "matching": HINGE},
        "+ source": {**target, "source_weight": 1.0},
    }
    for name, form in DISTILLATIONS.items():
        changes[f"+ source + {name}"] = {"source_weight": 1.0, "target_weight": 1.0, "distillation": form}
    settings = settings.model_copy(update={"caption_mixing": 0.0})
    return [
        (name, settings.model_copy(update=change), [teacher] * 2 if "two" in name else teacher)
        for name, change in changes.items()
    ]
