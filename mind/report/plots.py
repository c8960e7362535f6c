"""The page's plots, as PNG bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MIND = "#1f6f8b"
OTHER = "#c9a227"


def hit_rates(metrics: dict[str, float], cutoffs: tuple[int, ...]) -> bytes:
    """HitRate of MIND beside popularity at each cutoff."""
    figure = _figure()
    axes = figure.subplots()
    for shift, (name, prefix, colour) in enumerate((("MIND", "test", MIND), ("popularity", "popularity", OTHER))):
        heights = [metrics[f"{prefix}_hit_rate_at_{at}"] for at in cutoffs]
        bars = axes.bar([place + 0.4 * shift for place in range(len(cutoffs))], heights, 0.38, color=colour, label=name)
        axes.bar_label(bars, fmt="%.3f", fontsize=8)
    axes.set_xticks([place + 0.2 for place in range(len(cutoffs))], [f"@{at}" for at in cutoffs])
    axes.set_ylabel("HitRate on the test days")
    axes.legend(frameon=False)
    return _png(figure)


def training(curves: dict[str, list[float]]) -> bytes:
    """One small plot for each metric by epoch."""
    figure = _figure(height=2.6)
    for axes, (name, values) in zip(figure.subplots(1, len(curves)), curves.items(), strict=True):
        axes.plot(range(1, len(values) + 1), values, color=MIND, marker="o", markersize=3)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("epoch", fontsize=8)
        axes.set_xticks(range(1, len(values) + 1))
        axes.tick_params(labelsize=8)
    return _png(figure)


def counts(numbers: dict[str, int], label: str) -> bytes:
    """Horizontal bars, the first on top."""
    figure = _figure(height=0.5 + 0.32 * max(len(numbers), 1))
    axes = figure.subplots()
    bars = axes.barh(list(numbers), list(numbers.values()), color=MIND)
    axes.bar_label(bars, fmt="{:,.0f}", fontsize=8, padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel(label, fontsize=8)
    axes.tick_params(labelsize=8)
    return _png(figure)


def _figure(height: float = 3.0) -> Figure:
    # The object interface needs no display and leaves no global state.
    from matplotlib.figure import Figure

    return Figure(figsize=(7.5, height), layout="constrained")


def _png(figure: Figure) -> bytes:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
