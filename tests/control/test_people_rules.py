"""Who may give which rights: the rules on plain values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from overt.control.people.actions import Action
from overt.control.people.managing_rules import may_change, may_give, may_see
from overt.control.people.rights import NONE, Rights, combined

actions = st.sets(st.sampled_from(list(Action))).map(lambda found: [each.value for each in found])
groups = st.one_of(st.none(), st.integers(1, 4))
appointments = st.lists(st.tuples(actions, groups), max_size=5)


def within(lesser: Rights, greater: Rights) -> bool:
    """Whether everything that one may do the other may do too."""
    places = [None, 1, 2, 3, 4]
    return all(greater.may(action, place) for action in Action for place in places if lesser.may(action, place))


@given(appointments, appointments, actions, groups)
def test_nobody_who_manages_some_groups_gives_more_than_they_have(
    manager: list[tuple[list[str], int | None]],
    person: list[tuple[list[str], int | None]],
    role: list[str],
    group: int | None,
) -> None:
    rights = combined(manager)
    if not rights.may(Action.MANAGE_PEOPLE) and may_give(rights, role, group):
        assert within(combined([(role, group)]), rights)
        assert group is not None
    if not rights.may(Action.MANAGE_PEOPLE) and may_change(rights, person):
        assert within(combined(person), rights), "else who changes their password becomes them"


@given(appointments, appointments)
def test_who_may_change_an_account_may_see_it(
    manager: list[tuple[list[str], int | None]], person: list[tuple[list[str], int | None]]
) -> None:
    rights = combined(manager)
    if may_change(rights, person):
        assert may_see(rights, person)
    if not rights.anywhere(Action.MANAGE_PEOPLE):
        assert not may_see(rights, person)


@given(appointments, st.sets(st.sampled_from(list(Action))))
def test_a_token_has_at_most_its_scopes_and_at_most_the_rights_of_its_person(
    person: list[tuple[list[str], int | None]], scopes: set[Action]
) -> None:
    rights = combined(person)
    left = rights.only(scopes)
    for action in Action:
        for place in (None, 1, 2, 3, 4):
            assert left.may(action, place) == (rights.may(action, place) and action in scopes)


def test_a_role_that_holds_everywhere_is_given_by_who_manages_people_everywhere_alone() -> None:
    everything = [each.value for each in Action]
    assert may_give(combined([(["manage-people"], None)]), everything, None)
    assert not may_give(combined([(everything, 1)]), ["live"], None)
    assert may_give(combined([(everything, 1)]), ["live"], 1)
    assert not may_give(combined([(everything, 1)]), ["live"], 2)
    assert not may_give(NONE, [], 1)


def test_an_account_without_roles_is_changed_by_who_manages_people_everywhere_alone() -> None:
    assert may_change(combined([(["manage-people"], None)]), [])
    assert not may_change(combined([(["manage-people"], 1)]), [])
