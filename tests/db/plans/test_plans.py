"""The cost of a statement does not grow with the database: no plan scans or sorts a whole growing table."""

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
from tests.support.plans.cases import CASES
from tests.support.plans.lists import LISTS, PAGE_SIZE, cases
from tests.support.plans.recording import statements_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FunctionType, ModuleType

    from stagely_rpc.db.driver.pool import ConnectionPool
    from tests.support.plans.cases import Case
    from tests.support.plans.explaining import Explainer, Plan, PlanKind
    from tests.support.plans.world import Keys, World

MAX_DISCARDED_ROWS = 5 * PAGE_SIZE
"""The rows that a scan may discard: to fill a page, a filter that matches a fifth of the rows reads five pages."""

KINDS: tuple[PlanKind, ...] = ("custom", "generic")


def cases_of(name: str, keys: Keys) -> Iterator[tuple[str, Case]]:
    """Yield the cases of a list or of a function that makes statements, each with its name."""
    labelled = cases(name, keys) if name in LISTS else ((str(place), case) for place, case in enumerate(CASES[name]))
    for label, case in labelled:
        yield f"{name}: {label}", case


def violations(case: str, plan: Plan) -> Iterator[str]:
    """Yield the violations of a plan."""
    exceptions = allowed_for(case)
    for table in plan.scanned - {each.scanned for each in exceptions}:
        yield f"scans all of {table}"
    if plan.sorted_rows > max((each.sorted_rows for each in exceptions), default=-1):
        yield f"sorts {plan.sorted_rows} rows"
    if plan.discarded_rows > max([MAX_DISCARDED_ROWS, *(each.discarded_rows for each in exceptions)]):
        yield f"discards {plan.discarded_rows} rows"


@pytest.mark.parametrize("name", [*CASES, *LISTS])
async def test_no_growing_table_is_scanned_or_sorted(
    world: World, pool: ConnectionPool, explainer: Explainer, name: str
) -> None:
    found = []
    for label, case in cases_of(name, world.keys):
        statements = await statements_of(pool, case, world.keys)
        assert statements, f"{label} sent no statement"
        for each, kind in product(statements, KINDS):
            plan = explainer.plan(each, kind)
            found += [f"{label}: the {kind} plan {violation}" for violation in violations(label, plan)]

    assert found == []


def test_every_exception_matches_a_case(world: World) -> None:
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
    """Yield the names of the point reads and of the functions that return or send a complete statement."""
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
