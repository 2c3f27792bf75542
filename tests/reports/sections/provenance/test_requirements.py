"""The map of requirements: every link leads to a section that the page has, and nothing claims conformity."""

import re
from dataclasses import replace

import pytest

from reports.render import render
from reports.section import analysis_sections
from reports.sections.page import (
    AFTER_ANALYSES,
    APPENDIX,
    APPENDIX_AFTER_ANALYSES,
    APPENDIX_BEFORE_ANALYSES,
    BEFORE_ANALYSES,
    OF_PAGE,
)
from reports.sections.provenance.requirements import requirements
from tests.support import report_samples as samples


@pytest.mark.slow
def test_every_link_leads_to_a_section_of_the_page():
    everything = samples.everything()
    bare = replace(everything, audits=(replace(everything.audits[0], specifications=(), published=(), paired=()),))
    for results in (everything, bare):
        page = render(results)
        section = page.split('id="requirements"')[1]
        anchors = re.findall(r'href="#([^"]+)"', section)

        assert len(anchors) > len(requirements())
        assert [anchor for anchor in anchors if f'id="{anchor}"' not in page] == []


@pytest.mark.slow
def test_every_requirement_has_a_source_and_nothing_is_claimed():
    page = render(samples.everything())

    known = {
        section.name
        for section in (
            *BEFORE_ANALYSES,
            *analysis_sections(),
            *AFTER_ANALYSES,
            *OF_PAGE,
            *APPENDIX_BEFORE_ANALYSES,
            *analysis_sections(appendix=True),
            *APPENDIX_AFTER_ANALYSES,
            *APPENDIX,
        )
    } | {"sign-off"}
    assert all(set(requirement["where"]) <= known for requirement in requirements())
    assert all(requirement["source"].startswith("https://") for requirement in requirements())
    assert all(requirement["asks"] in page for requirement in requirements())
    assert "not a claim of conformity" in page
    assert not re.search(r"\b(certified|compliant|complies)\b", page)
