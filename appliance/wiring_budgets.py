"""What the journal may keep, from settings.

Duty: units. Holds no logic of any part.
"""

from __future__ import annotations

from appliance.config import ApplianceSettings
from appliance.journal.retention import DAY_S, MIB, Budgets, ClassBudget


def build_budgets(settings: ApplianceSettings) -> Budgets:
    """The journal's budgets."""
    standard, own, captures = Budgets(), settings.journal, settings.captures
    return Budgets(
        alarm=ClassBudget(own.alarm_budget_mb * MIB, None, True),
        counter=ClassBudget(own.counter_budget_mb * MIB, None, True),
        limit=ClassBudget(own.limit_budget_mb * MIB, None, True),
        telemetry=ClassBudget(
            own.telemetry_budget_mb * MIB, standard.telemetry.max_age_s, standard.telemetry.keep_unsent
        ),
        capture=ClassBudget(captures.budget_mb * MIB, captures.max_age_days * DAY_S, False),
        reserve_transitions=own.reserve_transitions,
    )
