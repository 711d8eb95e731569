"""The journal of a stage, `metrics.jsonl`, and its picture, `curves.png`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from medley.core.files import whole_file, write_text

JOURNAL = "metrics.jsonl"


class Journal:
    """One JSON line an optimiser step (`"part": "train"`) and a dev evaluation (`"part": "dev"`).

    A resumed stage drops the lines that came after its saved state, so no step stands twice.
    """

    def __init__(self, path: Path):
        self.path = path

    def open(self, from_step: int) -> None:
        """Keep what was written up to `from_step`: train lines before it, dev lines up to it."""
        kept = [
            line
            for line in read_journal(self.path)
            if line["step"] < from_step or (line["part"] == "dev" and line["step"] <= from_step)
        ]
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in kept))

    def add(self, part: str, values: Mapping[str, float]) -> None:
        """Append one line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"part": part, **values}) + "\n")


def read_journal(path: Path) -> list[dict]:
    """The whole lines of a journal; a last line that a kill cut off is left out."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    return [json.loads(line) for line in whole.splitlines()]


def draw_curves(journal: Path, out: Path, best_by: str) -> None:
    """Loss of training (smoothed over an epoch's twentieth) and dev, and the metric that picks the best weights."""
    from matplotlib.figure import Figure

    lines = read_journal(journal)
    train = [line for line in lines if line["part"] == "train"]
    dev = [line for line in lines if line["part"] == "dev"]
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    losses, metric = figure.subplots(1, 2)
    losses.plot(*_smooth([line["step"] for line in train], [line["loss"] for line in train]), label="train", lw=1)
    losses.plot([line["step"] for line in dev], [line["loss"] for line in dev], "o-", ms=3, label="dev")
    losses.set(xlabel="optimiser step", ylabel="loss", title="Loss")
    losses.legend(frameon=False)
    metric.plot([line["step"] for line in dev], [line[best_by] for line in dev], "o-", ms=3, color="C1")
    best = [line for line in dev if line["best"]]
    if best:
        metric.axvline(best[-1]["step"], color="grey", lw=0.8, ls=":")
        metric.annotate(f"best {best[-1][best_by]:.3f}", (best[-1]["step"], best[-1][best_by]), fontsize=8)
    metric.set(xlabel="optimiser step", ylabel=best_by, title=f"Dev {best_by}")
    with whole_file(out) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _smooth(steps: list[int], values: list[float]) -> tuple[list[int], list[float]]:
    width = max(1, len(values) // 100)
    mean = [sum(values[max(0, i - width + 1) : i + 1]) / (i + 1 - max(0, i - width + 1)) for i in range(len(values))]
    return steps, mean
