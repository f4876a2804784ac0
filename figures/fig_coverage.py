"""Transfer against coverage, a dot per pair, by initialisation."""

from pathlib import Path

from matplotlib.figure import Figure

from figures import style
from lab import results, stats

ARMS = {"other init": "cross_all", "mixed init": "reference", "shared init": "student_all"}
PREDICTORS = {"coverage": "first update", "coverage_gradient": "first gradient"}
TRANSFERRED = 0.1


def draw(folder: Path) -> list[Path]:
    """Draw figure.png and figure.pdf in a run folder from its table."""
    return draw_from(folder / "table.csv", folder / "run.json", folder / "figure")


def draw_from(table_path: Path, record_path: Path, stem: Path) -> list[Path]:
    """Draw `stem`.png and `stem`.pdf from a table and its record."""
    table, record = results.read_table(table_path), results.read_json(record_path)
    with style.style():
        return style.save(_figure(table, record), stem)


def predictions(table: results.Table, name: str, transferred: float) -> list[str]:
    """Spearman with transfer, and AUROC for an accuracy gain above `transferred`, as text."""
    gained = table["student"] - table["start"] > transferred
    found = {
        "Spearman": stats.bootstrap_interval(stats.spearman, table[name], table["transfer"]),
        "AUROC": stats.bootstrap_interval(stats.auroc, table[name], gained),
    }
    return [f"{k} {v:.3f} ({low:.3f} to {high:.3f})" for k, (v, low, high) in found.items()]


def _figure(table: results.Table, record: dict) -> Figure:
    figure = Figure((6.6, 3.2), layout="constrained")
    for axes, (name, label) in zip(
        figure.subplots(1, 2, sharey=True), PREDICTORS.items(), strict=True
    ):
        for arm, colour in ARMS.items():
            rows = table["arm"] == arm
            axes.plot(
                table[name][rows],
                table["transfer"][rows],
                "o",
                ms=2.6,
                mew=0,
                alpha=0.6,
                color=style.COLOURS[colour],
                label=arm,
            )
        axes.axhline(0, color="black", lw=0.7, zorder=0)
        axes.set_ylim(-0.35, 1.1)
        axes.set_xlabel(f"coverage of the {label}, cosine")
        axes.set_title("\n".join(predictions(table, name, TRANSFERRED)), fontsize=8, loc="left")
    figure.axes[0].set_ylabel("part of the teacher's gain that passed")
    figure.axes[0].legend(fontsize=7, loc="upper left", handletextpad=0.2)
    figure.suptitle(style.members(record, len(table["member"])), fontsize=8, x=0.01, ha="left")
    return figure
