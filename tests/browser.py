"""A page as a browser shows it: Debian's chromium without a window, or another of its names."""

import shutil
import subprocess
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def after(page: Path, actions: str, width: int = 1400) -> str:
    """What a script that acts on a page has to say.

    Args:
        page: An HTML file.
        actions: JavaScript that calls ``say(text)``; it runs once the page's own scripts have.
        width: Of the page, in pixels; chromium's own window has 500 or more.

    Returns:
        A line for each call.
    """
    browser = next(filter(None, map(shutil.which, _NAMES)), None)
    if browser is None:
        pytest.skip("needs a browser, such as Debian's chromium")
    script = (
        "<script>const said = document.createElement('pre'); said.id = 'said';"
        "function say(text) { said.append(String(text) + '\\n'); }"
        f"document.body.style.width = '{width}px';"
        f"try {{ {actions} }} catch (error) {{ say(error.stack); }}"
        "document.body.replaceChildren(said);</script>"
    )
    copy = page.with_name("acted.html")
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{script}</body>"), encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu"]
    command += [f"--window-size={width},900", "--dump-dom", copy.as_uri()]
    profile = page.parent / "profile"
    shown = subprocess.run(
        [*command[:1], f"--user-data-dir={profile}", *command[1:]], capture_output=True, text=True, check=True
    )
    return shown.stdout.partition('<pre id="said">')[2].partition("</pre>")[0]
