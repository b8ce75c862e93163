"""Takes the pictures of docs/studio.md: python -m tests.studio.screenshots."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.studio.conftest import QUIET
from tests.studio.tab import free_port, start

FOLDER = Path(__file__).parent.parent.parent / "docs" / "studio"
XOR = "/?room=step&data=xor&layers=3.tanh&output=tanh&steps=40"
BAD = "/?room=diagnose&data=digits&layers=16.relu&optimizer=gradient_descent&learning_rate=0.0003"


def save(page: Any, name: str) -> None:
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    few = image.quantize(96, dither=Image.Dither.NONE)
    few.save(FOLDER / f"{name}.png", optimize=True)


def main() -> None:
    process, address = start("--port", str(free_port()))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)

        def opened(link: str, width: int = 1280, height: int = 800, dark: bool = False) -> Any:
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if dark else "light",
            )
            page = context.new_page()
            page.goto(address + link)
            page.wait_for_timeout(2500)
            return page

        page = opened("/?data=spirals&layers=16.tanh-16.tanh")
        page.get_by_role("button", name="Start", exact=True).click()
        page.wait_for_timeout(600)
        save(page, "train")
        page = opened(XOR)
        page.get_by_role("button", name="∂C/∂W¹", exact=True).click()
        page.get_by_role("button", name="Prove it").click()
        page.locator(".proof").wait_for()
        page.locator(".unit").nth(3).hover()
        page.wait_for_timeout(400)
        save(page, "step")
        page = opened(f"{BAD}&steps=90", dark=True)
        page.locator(".finding").first.wait_for()
        save(page, "diagnose")
        save(opened(f"{XOR}&at=1", 390, 844, dark=True), "phone")
        browser.close()
    process.terminate()
    process.wait()


if __name__ == "__main__":
    main()
