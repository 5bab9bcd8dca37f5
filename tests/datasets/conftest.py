"""What the tests of datasets share."""

import pathlib
import sys

# Test folders are no packages, so the helper modules beside the tests are found by their own names.
sys.path.insert(0, str(pathlib.Path(__file__).parent))
