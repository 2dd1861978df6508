"""A person at a browser: headless Chromium, driven by Selenium, that reaches the sandbox's edge on loopback."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from sandbox.build import debian_packages

PATIENCE_S = 60
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server")


class Dashboard:
    """Horizon at ``url``, which shows this certificate."""

    def __init__(self, url: str, certificate: Path) -> None:
        """Start the browser."""
        debian_packages(["chromium", "chromium-driver", "fonts-dejavu-core"])
        options = webdriver.ChromeOptions()
        trusted = f"--ignore-certificate-errors-spki-list={_pin(certificate)}"
        domain = url.partition("//")[2].partition(":")[0].partition(".")[2]
        here = f"--host-resolver-rules=MAP *.{domain} 127.0.0.1"
        for option in (*OPTIONS, trusted, here, "--window-size=1280,800"):
            options.add_argument(option)
        options.binary_location = "/usr/bin/chromium"
        self.url = url
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.driver.set_page_load_timeout(PATIENCE_S)

    def __enter__(self) -> Self:
        """Sit down."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the browser."""
        self.driver.quit()

    def log_in(self, user: str, password: str) -> None:
        """Fill in the login page; returns on the page behind it."""
        self.driver.get(f"{self.url}/auth/login/")
        self._until(lambda: self.driver.find_element(By.NAME, "username").is_displayed())
        self.driver.find_element(By.NAME, "username").send_keys(user)
        self.driver.find_element(By.NAME, "password").send_keys(password)
        self.driver.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
        self._until(lambda: "/auth/login" not in self.driver.current_url)

    def text_of(self, path: str, expected: str) -> str:
        """All that a page shows, once it shows what is expected."""
        self.driver.get(f"{self.url}{path}")
        self._until(lambda: expected in self._text())
        return self._text()

    def photograph(self, file: Path) -> None:
        """Keep what is on the screen."""
        self.driver.save_screenshot(str(file))

    def _text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "body").text

    def _until(self, is_so: Callable[[], bool]) -> None:
        WebDriverWait(self.driver, PATIENCE_S).until(lambda _: is_so())


def _pin(certificate: Path) -> str:
    """Chromium's name of a certificate that it has to trust: the digest of its public key."""
    asked = ["openssl", "x509", "-in", str(certificate), "-pubkey", "-noout"]
    key = subprocess.run(asked, check=True, capture_output=True).stdout
    content = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"], check=True, capture_output=True, input=key
    )
    return base64.b64encode(hashlib.sha256(content.stdout).digest()).decode()
