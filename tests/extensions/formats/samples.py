"""The page of a bias profile."""

from audit.extensions.formats.profile_page import profile_page
from audit.extensions.formats.statements import Statements
from tests.support import report_samples

PAGES = {"profile": lambda: profile_page(report_samples.everything(), "5" * 64, Statements())}
