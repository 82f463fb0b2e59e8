"""What a sweep shows, as tags of its own run in MLflow."""

from search.records.notes import NotedVerdicts
from search.tracking.tags import TAG

_NOTE = "mlflow.note.content"
_LONGEST = 5000


def verdict_tags(summary: str, noted: NotedVerdicts | None) -> dict[str, str]:
    """The verdict for the description of a sweep's run, and its parts for tables of runs.

    Args:
        summary: What the sweep's file says of it.
        noted: What its records show; nothing gives no tags.
    """
    if noted is None or not noted["verdicts"]:
        return {}
    several = len(noted["verdicts"]) > 1
    paragraphs: list[str] = []
    tags: dict[str, str] = {}
    for verdict in noted["verdicts"]:
        end = f".{verdict['workload']}" if several else ""
        paragraphs += [f"**{verdict['workload']}**"] if several else []
        paragraphs += verdict["lines"]
        for name in ("equal_cost", "equal_epochs"):
            found = verdict[name]
            tags[f"{TAG}verdict.{name}{end}"] = found["outcome"]
            for part in ("gain", "low", "high", "n"):
                value = found[part]
                tags[f"{TAG}verdict.{name}.{part}{end}"] = "" if value is None else f"{value:.6g}"
        use = verdict["use"]
        tags[f"{TAG}verdict.use{end}"] = "" if use is None else use["name"]
    tags[_NOTE] = "\n\n".join([*paragraphs, summary])
    return {name: value[:_LONGEST] for name, value in tags.items()}
