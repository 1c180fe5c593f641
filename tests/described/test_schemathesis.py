"""Requests made up after the API's description, and Ollama's: no fault, and no answer that the description has not."""

import pytest

schemathesis = pytest.importorskip("schemathesis")

EXAMPLES = 6
"""Requests for each operation; a run by hand may have more (``--hypothesis-profile`` does not reach these)."""
