"""No statement of the service costs more for a larger database: none reads or sorts a table that grows."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from itertools import product
from typing import TYPE_CHECKING

import pytest

import stagely_rpc
from stagely_rpc.db.batching.point_read import PointRead
from tests.support.plans.allowed import ALLOWED, allowed_for
from tests.support.plans.asking import asked_by
from tests.support.plans.cases import CASES
from tests.support.plans.lists import LISTS, PAGE_SIZE, cases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FunctionType, ModuleType

    from stagely_rpc.db.driver.pool import ConnectionPool
    from tests.support.plans.cases import Case
    from tests.support.plans.explaining import Explainer, Plan, PlanKind
    from tests.support.plans.world import Keys, World

PASSED_ROWS = 5 * PAGE_SIZE
"""So many rows that are not wanted any walk may pass: a filter for a fifth of the rows makes a page take five."""

KINDS: tuple[PlanKind, ...] = ("custom", "generic")


def cases_of(name: str, keys: Keys) -> Iterator[tuple[str, Case]]:
    """Yield the cases of what makes statements, each with its name."""
    labelled = cases(name, keys) if name in LISTS else ((str(place), case) for place, case in enumerate(CASES[name]))
    for label, case in labelled:
        yield f"{name}: {label}", case


def offences(case: str, plan: Plan) -> Iterator[str]:
    """Yield what a plan does that is not allowed for its case."""
    exceptions = allowed_for(case)
    for table in plan.scanned - {each.scanned for each in exceptions}:
        yield f"reads all of {table}"
    if plan.sorted_rows > max((each.sorted_rows for each in exceptions), default=-1):
        yield f"sorts {plan.sorted_rows} rows"
    if plan.passed_rows > max([PASSED_ROWS, *(each.passed_rows for each in exceptions)]):
        yield f"passes {plan.passed_rows} rows that are not wanted"


@pytest.mark.parametrize("name", [*CASES, *LISTS])
async def test_no_growing_table_is_read_from_end_to_end_or_sorted(
    world: World, pool: ConnectionPool, explainer: Explainer, name: str
) -> None:
    found = []
    for case, ask in cases_of(name, world.keys):
        asked = await asked_by(pool, ask, world.keys)
        assert asked, f"{case} asked nothing"
        for each, kind in product(asked, KINDS):
            found += [f"{case}: by its {kind} plan {offence}" for offence in offences(case, explainer.plan(each, kind))]

    assert found == []


def test_every_exception_is_of_a_case(world: World) -> None:
    every = [case for name in (*CASES, *LISTS) for case, _ in cases_of(name, world.keys)]

    assert [each for each in ALLOWED if not any(re.fullmatch(each.cases, case) for case in every)] == []


def test_every_statement_has_cases() -> None:
    makers = {name for module in modules_with_statements() for name in makers_in(module)}

    assert makers <= {*CASES, *LISTS}


def modules_with_statements() -> Iterator[ModuleType]:
    for module in pkgutil.walk_packages(stagely_rpc.__path__, "stagely_rpc."):
        if module.name.endswith(".queries") or module.name in {
            f"stagely_rpc.db.{name}" for name in ("idempotency", "audit_entries")
        }:
            yield importlib.import_module(module.name)


def makers_in(module: ModuleType) -> Iterator[str]:
    """Yield the names of the point reads and of the functions whose result is no part of a statement."""
    slice_ = module.__name__.split(".")[-2 if module.__name__.endswith("queries") else -1]
    for name, value in vars(module).items():
        if isinstance(value, PointRead):
            yield f"{slice_}.{name}"
        elif isinstance(value, dict) and not name.startswith("_"):
            yield from (f"{slice_}.{name}[{key}]" for key, each in value.items() if isinstance(each, PointRead))
        elif inspect.isfunction(value) and value.__module__ == module.__name__ and is_maker(value):
            yield f"{slice_}.{name}"


def is_maker(function: FunctionType) -> bool:
    returns = inspect.signature(function).return_annotation
    is_query = returns.startswith("Query[") or inspect.iscoroutinefunction(function)
    return is_query and not function.__name__.startswith("_")
