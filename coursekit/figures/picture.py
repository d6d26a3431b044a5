"""A finished picture with its description: what every static figure of the course becomes."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


class Picture:
    """A matplotlib figure as PNG, with an alternative text for those who cannot see it.

    The text goes with the picture as Jupyter metadata, which nbconvert and the site turn into the `alt` of the image,
    and as the plain-text form. The PNG carries no time or version, so that drawing it again gives the same bytes.
    """

    def __init__(self, figure: Figure, alt: str, dpi: int = 80) -> None:
        if not alt.strip():
            raise ValueError("a picture needs an alternative text: say what there is to see")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight", metadata={"Software": None})
        self.png = buffer.getvalue()
        self.alt = " ".join(alt.split())

    def save(self, path: str | Path) -> Path:
        """Write the PNG file, whole or not at all."""
        target = Path(path)
        beside = target.with_name(target.name + ".part")
        beside.write_bytes(self.png)
        return beside.replace(target)

    def __repr__(self) -> str:
        return f"Picture: {self.alt}"

    def _repr_mimebundle_(
        self, include: Sequence[str] | None = None, exclude: Sequence[str] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"image/png": self.png, "text/plain": repr(self)}, {"image/png": {"alt": self.alt}}
