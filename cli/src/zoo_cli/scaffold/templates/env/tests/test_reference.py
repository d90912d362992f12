"""The reference scores that the entry states are what the two policies reach."""

import pytest

from __PACKAGE__.plugin import ENV
from __PACKAGE__.policies import guided, mean_return, uniform


@pytest.mark.parametrize(("policy", "stated"), [(uniform, "random"), (guided, "expert")])
def test_the_stated_reference_is_what_its_policy_reaches(policy, stated):
    assert mean_return(policy, 10_000) == pytest.approx(getattr(ENV.reference, stated), abs=0.005)
