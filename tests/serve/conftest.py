"""Small runs and their bundles, made once a session, as for the tests of `bundle`."""

from tests.bundle.conftest import bundle_of, run_of

__all__ = ["bundle_of", "run_of"]
